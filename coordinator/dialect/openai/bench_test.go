package openai

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
)

// benchmarkRequest measures what the dialect itself does for a request: the work is done by a service
// that needs no time.
func benchmarkRequest(b *testing.B, route int, kind string, body []byte) {
	b.Helper()
	handle := New(&scripted{images: [][]byte{[]byte("image")}}).Routes()[route].Handle
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer right")
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		if handle(w, r); w.Code != http.StatusOK {
			b.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
}

func BenchmarkGeneration(b *testing.B) {
	benchmarkRequest(b, 0, "application/json", []byte(`{"model":"gpt-image-1","prompt":"A cute baby sea otter","n":1,"size":"1024x1024","quality":"high","output_format":"webp"}`))
}

func BenchmarkEdit(b *testing.B) {
	body, kind := formBody(b, part{"prompt", "a hat"}, part{"image", pngOf(b, 64, 64, false)}, part{"n", "2"}, part{"size", "256x256"})
	benchmarkRequest(b, 1, kind, body)
}
