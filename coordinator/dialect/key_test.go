package dialect

import (
	"net/http/httptest"
	"testing"
)

func TestKey(t *testing.T) {
	for header, want := range map[string]string{
		"": "", "Bearer abc": "abc", "bearer  abc ": "abc", "abc": "abc", "Basic dXNlcg==": "", "Bearer": "", "Bearer ": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", header)
		if got := Key(r); got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
}
