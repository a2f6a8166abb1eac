package dialect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"testing"

	"github.com/easelgrid/easel/api"
)

// oddly is a picture that is read in odd pieces.
func oddly(body []byte) io.ReadCloser { return io.NopCloser(&oddReader{body: body}) }

type oddReader struct {
	body []byte
	turn int
}

func (r *oddReader) Read(b []byte) (int, error) {
	if len(r.body) == 0 {
		return 0, io.EOF
	}
	r.turn++
	n := copy(b[:min(len(b), 1+r.turn*7%1000)], r.body)
	r.body = r.body[n:]
	return n, nil
}

func TestReplyHoldsPicturesInBase64(t *testing.T) {
	type data struct {
		Image string `json:"b64_json"`
	}
	type reply struct {
		Created int    `json:"created"`
		Data    []data `json:"data"`
		Note    string `json:"note"`
	}
	for _, sizes := range [][]int{{}, {0}, {1}, {2}, {3}, {1000, 100_001}, {1, 2, 3, 50_000, 7}} {
		r := NewReply()
		want := reply{Created: 7, Data: []data{}, Note: "a <note> \x7f0;"}
		sent := reply{Created: 7, Data: []data{}, Note: want.Note}
		for i, n := range sizes {
			body := bytes.Repeat([]byte{byte(i + 1), 250, 3}, n)[:n]
			text, err := r.Base64(oddly(body), api.Image{Bytes: int64(n)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			sent.Data = append(sent.Data, data{text})
			want.Data = append(want.Data, data{base64.StdEncoding.EncodeToString(body)})
		}
		w := httptest.NewRecorder()
		if err := r.Write(w, http.StatusOK, sent); err != nil {
			t.Fatalf("%v: %v", sizes, err)
		}
		var got reply
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v: %v", sizes, err)
		}
		a, _ := json.Marshal(got)
		if b, _ := json.Marshal(want); !bytes.Equal(a, b) {
			t.Errorf("%v: the reply is not what was meant", sizes)
		}
		if length := w.Header().Get("Content-Length"); length != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%v: Content-Length %s of %d bytes", sizes, length, w.Body.Len())
		}
	}
}

func TestReplyIsCutShortWhenThePictureIs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r := NewReply()
		text, _ := r.Base64(oddly(make([]byte, 99_000)), api.Image{Bytes: 100_000}, nil)
		if err := r.Write(w, http.StatusOK, text); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
	}))
	defer server.Close()
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadAll(response.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the client sees %v, want an end before the end", err)
	}
}

// countingWriter is a client that keeps nothing.
type countingWriter struct {
	header http.Header
	n      int
}

func (w *countingWriter) Header() http.Header         { return w.header }
func (w *countingWriter) WriteHeader(int)             {}
func (w *countingWriter) Write(b []byte) (int, error) { w.n += len(b); return len(b), nil }

// Three times the picture would be allowed.
func TestReplyNeedsLittleMemory(t *testing.T) {
	const size = 1 << 20
	body := make([]byte, size)
	w := &countingWriter{header: http.Header{}}
	before, after := runtime.MemStats{}, runtime.MemStats{}
	runtime.ReadMemStats(&before)
	r := NewReply()
	text, _ := r.Base64(io.NopCloser(bytes.NewReader(body)), api.Image{Bytes: size}, nil)
	if err := r.Write(w, http.StatusOK, map[string]string{"b64_json": text}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if w.n < size*4/3 {
		t.Fatalf("%d bytes were written", w.n)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > size/5 {
		t.Errorf("the reply allocated %d bytes for a picture of %d", used, size)
	}
}

func BenchmarkReplyOfOneMiB(b *testing.B) {
	body := make([]byte, 1<<20)
	b.ReportAllocs()
	b.SetBytes(1 << 20)
	for b.Loop() {
		r := NewReply()
		text, _ := r.Base64(io.NopCloser(bytes.NewReader(body)), api.Image{Bytes: 1 << 20}, nil)
		if err := r.Write(&countingWriter{header: http.Header{}}, http.StatusOK, text); err != nil {
			b.Fatal(err)
		}
	}
}
