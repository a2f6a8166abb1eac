package dialect

import (
	"io"
	"net/http"
	"time"
)

// writeTime is how long a client may take for each part of a reply.
const writeTime = time.Minute

// slowly gives every write its own time, however long the whole reply takes.
func slowly(w http.ResponseWriter) io.Writer {
	return timedWriter{w, http.NewResponseController(w)}
}

type timedWriter struct {
	w       io.Writer
	control *http.ResponseController
}

func (t timedWriter) Write(b []byte) (int, error) {
	_ = t.control.SetWriteDeadline(time.Now().Add(writeTime)) // not there in tests without a network
	return t.w.Write(b)
}

// Hold prepares a request that is read to its end for a long wait: its connection has no time limit
// until the reply is written.
func Hold(w http.ResponseWriter) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Time{})
}
