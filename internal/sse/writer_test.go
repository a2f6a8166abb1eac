package sse_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/easelgrid/easel/internal/sse"
)

func TestWriter(t *testing.T) {
	for _, test := range []struct {
		name string
		send func(*sse.Writer) error
		want string
	}{
		{"an event", func(w *sse.Writer) error { return w.Event("1", "job", []byte(`{"id":"a"}`)) }, "id: 1\nevent: job\ndata: {\"id\":\"a\"}\n\n"},
		{"without id and name", func(w *sse.Writer) error { return w.Event("", "", []byte("x")) }, "data: x\n\n"},
		{"without data", func(w *sse.Writer) error { return w.Event("", "end", nil) }, "event: end\ndata: \n\n"},
		{"every kind of line end", func(w *sse.Writer) error { return w.Event("", "", []byte("a\nb\rc\r\nd\n")) }, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		{"a comment", func(w *sse.Writer) error { return w.Comment("still here") }, ": still here\n\n"},
		{"a comment with line ends", func(w *sse.Writer) error { return w.Comment("a\r\nevent: b") }, ": a  event: b\n\n"},
		{"a stream of data", func(w *sse.Writer) error {
			return w.EventFrom("2", "picture", func(out io.Writer) error {
				for _, part := range []string{"a\r", "", "\nb", "c", "\n", "d"} {
					if n, err := io.WriteString(out, part); n != len(part) || err != nil {
						return fmt.Errorf("%d bytes, %w", n, err)
					}
				}
				return nil
			})
		}, "id: 2\nevent: picture\ndata: a\ndata: bc\ndata: d\n\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply := httptest.NewRecorder()
			if err := test.send(sse.NewWriter(reply, time.Minute)); err != nil {
				t.Fatal(err)
			}
			if got := reply.Body.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if h := reply.Header(); h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || !reply.Flushed {
				t.Errorf("headers %v, flushed %v", h, reply.Flushed)
			}
		})
	}
}

func TestWriterRefusesLineEndsInFields(t *testing.T) {
	for _, field := range [][2]string{{"1\n", "job"}, {"1", "job\ndata: x"}, {"1", "job\r"}, {"1\x00", "job"}} {
		reply := httptest.NewRecorder()
		w := sse.NewWriter(reply, 0)
		if err := w.Event(field[0], field[1], []byte("x")); err == nil || reply.Body.Len() > 0 {
			t.Errorf("%q: %v, wrote %q", field, err, reply.Body)
		}
		if err := w.Event("1", "job", nil); err != nil {
			t.Errorf("and the next one: %v", err)
		}
	}
}

func TestWriterEndsAtTheFirstError(t *testing.T) {
	reply := httptest.NewRecorder()
	w := sse.NewWriter(reply, 0)
	broken := errors.New("the picture is gone")
	err := w.EventFrom("", "picture", func(out io.Writer) error {
		_, _ = io.WriteString(out, "half")
		return broken
	})
	before := reply.Body.String()
	if !errors.Is(err, broken) || w.Err() != err || !strings.HasSuffix(before, "half") {
		t.Errorf("%v, %v after %q", err, w.Err(), before)
	}
	if again := errors.Join(w.Comment("x"), w.Event("", "error", []byte("x"))); !errors.Is(again, broken) || reply.Body.String() != before {
		t.Errorf("afterwards: %v, %q", again, reply.Body)
	}
}

// A client that takes nothing loses the stream, and the handler can end.
func TestWriterLosesAClientThatTakesNothing(t *testing.T) {
	const limit = 100 * time.Millisecond
	lost := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := sse.NewWriter(rw, limit)
		for w.Event("", "picture", make([]byte, 1<<20)) == nil {
		}
		lost <- w.Err()
	}))
	defer server.Close()
	response, err := http.Get(server.URL) // and its body is not read
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := <-lost; err == nil {
		t.Error("the stream was never given up")
	}
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reply := httptest.NewRecorder()
		w := sse.NewWriter(reply, 0)
		stop := w.KeepAlive(15 * time.Second)
		defer stop()
		time.Sleep(46 * time.Second)
		synctest.Wait()
		stop()
		stop()
		time.Sleep(time.Minute)
		if got, want := reply.Body.String(), strings.Repeat(": still here\n\n", 3); got != want {
			t.Errorf("after 46 s: %q", got)
		}
	})
}

// What is sent at the same time is never mixed.
func TestWriterAtOnce(t *testing.T) {
	reply := httptest.NewRecorder()
	w := sse.NewWriter(reply, 0)
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			_ = w.EventFrom("", "picture", func(out io.Writer) error {
				for range 100 {
					if _, err := io.WriteString(out, "x"); err != nil {
						return err
					}
				}
				return nil
			})
			_ = w.Comment("still here")
		})
	}
	senders.Wait()
	r := sse.NewReader(reply.Body, 1<<10)
	for i := range 8 {
		if event, err := r.Next(); err != nil || string(event.Data) != strings.Repeat("x", 100) {
			t.Fatalf("event %d: %q, %v", i, event.Data, err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("afterwards: %v", err)
	}
}
