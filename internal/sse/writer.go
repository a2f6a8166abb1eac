package sse

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Writer sends events as the reply to one request. Its methods may be called at the same time. The
// first error is final: nothing is written after it, because a client could not tell where the event
// that broke off ends, and every later call returns it.
type Writer struct {
	out     deadlined
	mu      sync.Mutex
	problem error
}

// NewWriter sets the headers of an event stream and sends nothing yet. Nothing more is read from the
// client, so its read deadline is lifted. A client that takes nothing for the limit loses the stream;
// a limit of 0 leaves the write deadline as it is.
func NewWriter(w http.ResponseWriter, limit time.Duration) *Writer {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // for nginx, which otherwise collects events
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // not every connection has one
	return &Writer{out: deadlined{w, control, limit}}
}

// Event sends one event. An empty id or name is left out. Neither may hold a line end, nor an id a
// zero byte; such an event is refused and the stream is still whole.
func (w *Writer) Event(id, name string, data []byte) error {
	return w.EventFrom(id, name, func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	})
}

// EventFrom sends one event whose data is what the function writes, which is never held as a whole.
// An error of the function breaks the stream.
func (w *Writer) EventFrom(id, name string, data func(io.Writer) error) error {
	if strings.ContainsAny(id+name, "\r\n") || strings.Contains(id, "\x00") {
		return errors.New("an event's id or name holds a line end or a zero byte")
	}
	var head []byte
	for _, field := range []struct{ key, value string }{{"id: ", id}, {"event: ", name}} {
		if field.value != "" {
			head = append(head, field.key+field.value+"\n"...)
		}
	}
	return w.send(func(out io.Writer) error {
		if _, err := out.Write(append(head, "data: "...)); err != nil {
			return err
		}
		if err := data(&lines{out: out, prefix: "data: "}); err != nil {
			return err
		}
		_, err := io.WriteString(out, "\n\n")
		return err
	})
}

// Comment sends a line that clients ignore. It keeps a quiet connection alive.
func (w *Writer) Comment(text string) error {
	return w.send(func(out io.Writer) error {
		body := strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
		_, err := io.WriteString(out, ": "+body+"\n\n")
		return err
	})
}

// KeepAlive sends a comment at each interval, so that nothing between here and the client takes a
// quiet stream for a dead one, until stop is called. Stop waits for the last comment.
func (w *Writer) KeepAlive(every time.Duration) (stop func()) {
	ended := make(chan struct{})
	var beat sync.WaitGroup
	beat.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				_ = w.Comment("still here") // the next event returns the error too
			}
		}
	})
	return sync.OnceFunc(func() {
		close(ended)
		beat.Wait()
	})
}

// Err is the error that broke the stream; nil while it is whole.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.problem
}

// send writes and flushes one whole event or comment.
func (w *Writer) send(write func(io.Writer) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.problem == nil {
		w.problem = write(w.out)
	}
	if w.problem == nil {
		w.problem = w.out.control.Flush()
	}
	return w.problem
}

// deadlined gives each write its own time, so that an event may take as long as its client keeps
// taking it.
type deadlined struct {
	w       io.Writer
	control *http.ResponseController
	limit   time.Duration
}

func (d deadlined) Write(b []byte) (int, error) {
	if d.limit > 0 {
		_ = d.control.SetWriteDeadline(time.Now().Add(d.limit)) // not every connection has one
	}
	return d.w.Write(b)
}

// lines begins a new line of the same field at each line end in what is written through it.
type lines struct {
	out    io.Writer
	prefix string
	cr     bool // the last byte was \r, which \n may follow
}

func (l *lines) Write(b []byte) (int, error) {
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 {
		l.cr = l.cr && len(b) == 0
		return l.out.Write(b)
	}
	var divided []byte
	for _, c := range b {
		switch {
		case c == '\n' && l.cr: // the second half of a line end
		case c == '\n' || c == '\r':
			divided = append(append(divided, '\n'), l.prefix...)
		default:
			divided = append(divided, c)
		}
		l.cr = c == '\r'
	}
	if _, err := l.out.Write(divided); err != nil {
		return 0, err
	}
	return len(b), nil
}
