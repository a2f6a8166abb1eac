package client_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api/client"
)

// transport answers every request itself and keeps the last one.
type transport struct{ last *http.Request }

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.last = r
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func TestKeyGoesToTheCoordinatorOnly(t *testing.T) {
	for ref, want := range map[string]string{
		"/image": "Bearer secret", "https://grid.example/image": "Bearer secret",
		"http://grid.example/image": "", "https://elsewhere.example/image": "", "https://grid.example:8443/image": "",
	} {
		seen := &transport{}
		c := &client.Client{URL: "https://grid.example", Key: "secret", HTTP: &http.Client{Transport: seen}}
		if err := c.Image(t.Context(), ref, io.Discard); err != nil {
			t.Fatal(err)
		}
		if got := seen.last.Header.Get("Authorization"); got != want {
			t.Errorf("%s: Authorization %q, want %q", ref, got, want)
		}
	}
}
