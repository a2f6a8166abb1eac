package httpapi

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/coordinator/account"
)

// timedWriter remembers how long a handler gives its client.
type timedWriter struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (w *timedWriter) SetReadDeadline(t time.Time) error { w.read = t; return nil }

func (w *timedWriter) SetWriteDeadline(t time.Time) error { w.write = t; return nil }

// The largest request there may be takes minutes over a slow line.
func TestARequestWithPicturesHasTimeToCome(t *testing.T) {
	w := &timedWriter{ResponseRecorder: httptest.NewRecorder()}
	started := time.Now()
	(&server{Options: Options{Log: slog.New(slog.DiscardHandler)}}).createJob(w, httptest.NewRequest("POST", "/easel/v1/jobs", strings.NewReader("{")), account.Caller{})
	const slow = 1 << 20 / 8 // bytes a second
	if need := time.Duration(maxJobRequest/slow) * time.Second; w.read.Sub(started) < need || w.write.Before(w.read) {
		t.Errorf("%s to read and %s to write, want at least %s", w.read.Sub(started), w.write.Sub(started), need)
	}
	if w.Code != http.StatusBadRequest {
		t.Errorf("answered %d", w.Code)
	}
}

func TestRequestsThatAreNotReadHaveATime(t *testing.T) {
	v := new(Dialects)
	for name, c := range map[string]struct {
		body   string
		handle http.HandlerFunc
		timed  bool
	}{
		"refused":     {"{}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, true},
		"not a word":  {"{}", func(http.ResponseWriter, *http.Request) {}, true},
		"flushed":     {"{}", func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }, true},
		"read":        {"{}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }, false},
		"read, quiet": {"{}", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, false},
		"no body":     {"", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := &timedWriter{ResponseRecorder: httptest.NewRecorder()}
			v.serving(nil, c.handle).ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(c.body)))
			if w.read.IsZero() == c.timed || !w.write.IsZero() && c.timed && !w.read.Before(w.write) {
				t.Errorf("reading ends at %v, writing at %v", w.read, w.write)
			}
		})
	}
}
