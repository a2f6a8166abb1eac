package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// A reply gives every write its own time: a handler may wait for a job as long as it likes.
type reply struct {
	http.ResponseWriter
	control *http.ResponseController
	request body
	began   bool
}

// begin is before the first of a reply. The server reads then what the handler left of the request, as
// of one whose key is wrong, and has to have a time for it: its client may never send it.
func (w *reply) begin() {
	if !w.began && !w.request.ended {
		_ = w.control.SetReadDeadline(time.Now().Add(requestTime / 2)) // the reply itself comes after that
	}
	w.began = true
}

func (w *reply) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

func (w *reply) Write(b []byte) (int, error) {
	w.begin()
	_ = w.control.SetWriteDeadline(time.Now().Add(requestTime))
	return w.ResponseWriter.Write(b)
}

func (w *reply) Flush() { _ = w.FlushError() }

// FlushError is what an http.ResponseController calls.
func (w *reply) FlushError() error {
	w.begin()
	_ = w.control.SetWriteDeadline(time.Now().Add(requestTime))
	return w.control.Flush()
}

func (w *reply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// fixedStatus answers with a status of its own whatever the handler says.
type fixedStatus struct {
	http.ResponseWriter
	status int
}

func (w fixedStatus) WriteHeader(int) { w.ResponseWriter.WriteHeader(w.status) }

// A body is read under a deadline, and between the reads there is none: a read that runs into its
// deadline, such as the server's own for the end of the connection, would end the request.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	last    time.Time
	ended   bool
}

func (b *body) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(earlier(time.Now().Add(requestTime), b.last))
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || errors.Is(err, io.EOF)
	_ = b.control.SetReadDeadline(time.Time{})
	return n, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
