package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/api/client"
	"github.com/easelgrid/easel/internal/sse"
)

// streaming is a client of a coordinator that answers every request with that stream.
func streaming(t *testing.T, stream string) *client.Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want := "/easel/v1/jobs/j%2F1/events"; r.URL.EscapedPath() != want || r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("%s %v, want %s", r.URL.EscapedPath(), r.Header, want)
		}
		_, _ = io.WriteString(w, stream)
	}))
	t.Cleanup(server.Close)
	return &client.Client{URL: server.URL}
}

func TestEvents(t *testing.T) {
	enough := errors.New("enough")
	for _, test := range []struct {
		name, stream string
		stopAt       string // the event whose function fails
		want         []string
		err          error
	}{
		{"all of them", "id: 1\nevent: job\ndata: {\"state\":\"queued\"}\n\n: still here\n\nid: 2\nevent: image\ndata: {}\n\n", "", []string{`job {"state":"queued"}`, "image {}"}, nil},
		{"until one is refused", "event: job\ndata: 1\n\nevent: job\ndata: 2\n\nevent: job\ndata: 3\n\n", "job 2", []string{"job 1", "job 2"}, enough},
		{"an event without a name is none of ours", "data: 1\n\nevent: job\ndata: 2\n\n", "", []string{"job 2"}, nil},
		{"a stream that breaks off", "event: job\ndata: 1\n\nevent: job\ndata: 2", "", []string{"job 1"}, nil},
		{"an event of more than a mebibyte", "event: job\ndata: " + strings.Repeat("x", 1<<20) + "\n\n", "", nil, sse.ErrTooLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			err := streaming(t, test.stream).Events(t.Context(), "j/1", func(e client.Event) error {
				got = append(got, e.Name+" "+string(e.Data))
				if got[len(got)-1] == test.stopAt {
					return enough
				}
				return nil
			})
			if diff := cmp.Diff(test.want, got); diff != "" || !errors.Is(err, test.err) {
				t.Errorf("%v, want %v; (-want +got)\n%s", err, test.err, diff)
			}
		})
	}
}
