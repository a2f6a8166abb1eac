package dialect

import (
	"net/http"
	"time"
)

// Hold prepares a request that is read to its end for a long wait: its connection has no time limit
// until the reply is written.
func Hold(w http.ResponseWriter) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Time{})
}
