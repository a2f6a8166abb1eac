package dialect

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
)

func TestPatience(t *testing.T) {
	for key, want := range map[string]error{"": context.Canceled, "again": context.DeadlineExceeded} {
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "POST", "/", nil)
		r.Header.Set("Idempotency-Key", key)
		waiting := Patient(r)
		if err := waiting.Err(); err != nil {
			t.Errorf("key %q: %v before the client left", key, err)
		}
		leave()
		<-waiting.Done()
		if err := waiting.Err(); !errors.Is(err, want) {
			t.Errorf("key %q: got %v, want %v", key, err, want)
		}
	}
}
