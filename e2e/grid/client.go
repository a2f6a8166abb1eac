package grid

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/dialecttest"
)

// A Client speaks one dialect to a grid. Every reply is held against the dialect's document.
type Client struct {
	*Grid
	Key      string
	contract *dialecttest.Contract
}

// Demo starts a grid with the demo's catalog, which has the models of the vendors' examples.
func Demo(t *testing.T) *Grid {
	t.Helper()
	return Start(t, filepath.Join(root(t), "docs/examples/catalog-demo.yaml"))
}

// root is the directory of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no directory above the test has a go.mod")
	return ""
}

// Client makes a client of a dialect with a key of its own.
func (g *Grid) Client(t *testing.T, d dialect.Dialect) Client {
	t.Helper()
	return Client{g, g.Key(t, "client", ""), dialecttest.NewContract(d)}
}

// Ask sends a request to a route. The id is put into its path where that has one. A body that is
// accepted has to be one that the document has, and the document has to be sharp about the reply.
func (c Client) Ask(t *testing.T, r dialect.Route, authorization, id, body string) Answer {
	t.Helper()
	path := strings.NewReplacer("{id}", id, "{id...}", id).Replace(r.Prefix + r.Path)
	a := c.Call(t, r.Method, path, authorization, body)
	if body != "" && a.Status == http.StatusOK && c.contract.TakesBody(r) {
		c.contract.Request(t, r, []byte(body))
	}
	c.contract.Sharp(t, r, a.Status, a.Body)
	return a
}

// AskForm is Ask with a form of texts and files.
func (c Client) AskForm(t *testing.T, r dialect.Route, authorization string, texts map[string]string, files map[string][]byte) Answer {
	t.Helper()
	request, body := c.form(t, r, texts, files)
	request.Header.Set("Authorization", authorization)
	a := send(t, request)
	if a.Status == http.StatusOK {
		c.contract.Request(t, r, body)
	}
	c.contract.Sharp(t, r, a.Status, a.Body)
	return a
}

// form makes a request of a form, and the JSON that stands for it in a document: texts that are numbers
// or booleans as such, files as strings.
func (c Client) form(t *testing.T, r dialect.Route, texts map[string]string, files map[string][]byte) (*http.Request, []byte) {
	t.Helper()
	var form bytes.Buffer
	w, stand := multipart.NewWriter(&form), map[string]any{}
	for name, text := range texts {
		if err := w.WriteField(name, text); err != nil {
			t.Fatal(err)
		}
		stand[name] = text
		if raw := json.RawMessage(text); json.Valid(raw) {
			stand[name] = raw
		}
	}
	for name, file := range files {
		part, err := w.CreateFormFile(name, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(file); err != nil {
			t.Fatal(err)
		}
		stand[name] = ""
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), r.Method, c.URL+r.Prefix+r.Path, &form)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	body, err := json.Marshal(stand)
	if err != nil {
		t.Fatal(err)
	}
	return request, body
}

// Decode reads the JSON of an answer.
func (a Answer) Decode(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
}

// CheckPNG fails the test if a file is not a picture of this size.
func CheckPNG(t *testing.T, file []byte, width, height int) {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Errorf("not a PNG file: %v", err)
	} else if size := picture.Bounds().Size(); size != image.Pt(width, height) {
		t.Errorf("got %v, want %d x %d", size, width, height)
	}
}

// PNG is a picture of this size.
func PNG(width, height int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, width, height))); err != nil {
		panic(err)
	}
	return b.Bytes()
}
