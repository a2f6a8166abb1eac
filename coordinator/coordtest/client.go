package coordtest

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
)

// NewKey makes an API key and returns its secret.
func (w *World) NewKey(body string) string {
	w.t.Helper()
	a := w.Call("POST", "/easel/v1/keys", body)
	if a.Status != 200 {
		w.t.Fatalf("key: %d %s", a.Status, a.Body)
	}
	return Decoded[api.Key](w.t, a).Secret
}

// Asking sends a request in the background. The channel closes without an answer when there is none.
func (w *World) Asking(ctx context.Context, key, path, body string) <-chan Answer {
	r, err := http.NewRequestWithContext(ctx, "POST", w.Where.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	out := make(chan Answer, 1)
	go func() {
		defer close(out)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return
		}
		defer response.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(response.Body); err == nil {
			out <- Answer{response.StatusCode, response.Header, b.Bytes()}
		}
	}()
	return out
}

// Usage is what a key sees of the ledger.
func (w *World) Usage(key, query string) []api.Usage {
	w.t.Helper()
	a := w.Call("GET", "/easel/v1/usage"+query, "", "Authorization", "Bearer "+key)
	if a.Status != 200 {
		w.t.Fatalf("usage: %d %s", a.Status, a.Body)
	}
	return Decoded[struct{ Usage []api.Usage }](w.t, a).Usage
}

// Message is the text of the error in an answer.
func Message(t *testing.T, a Answer) string {
	t.Helper()
	return Decoded[struct{ Error api.Error }](t, a).Error.Message
}
