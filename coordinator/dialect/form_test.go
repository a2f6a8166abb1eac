package dialect

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/api"
)

// A formPart is a text, or a file where it has a name.
type formPart struct{ field, file, body string }

func readForm(t *testing.T, parts ...formPart) (*Form, error) {
	t.Helper()
	var body bytes.Buffer
	writer := multipart.NewWriter(&body)
	for _, p := range parts {
		var err error
		to, err := writer.CreateFormField(p.field)
		if p.file != "" {
			to, err = writer.CreateFormFile(p.field, p.file)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write([]byte(p.body)); err != nil {
			t.Fatal(err)
		}
	}
	writer.Close()
	r := httptest.NewRequest("POST", "/", &body)
	r.Header.Set("Content-Type", writer.FormDataContentType())
	return ReadForm(httptest.NewRecorder(), r)
}

func smallPNG(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFormIsReadLikeJSON(t *testing.T) {
	one := smallPNG(t)
	form, err := readForm(t, formPart{"prompt", "", "5"}, formPart{"n", "", "3"}, formPart{"stream", "", "true"}, formPart{"user", "", ""},
		formPart{"strength", "", "0.5"}, formPart{"image[]", "a.png", one}, formPart{"image[]", "b.png", one}, formPart{"mask", "m.png", one})
	if err != nil {
		t.Fatal(err)
	}
	if got := form.Text("prompt"); got != "5" {
		t.Errorf("prompt %q", got)
	}
	if n, stream, strength := form.Int("n", 1, 10), form.Bool("stream"), form.Number("strength", 0, 1); n == nil || *n != 3 || stream == nil || !*stream || strength == nil || *strength != 0.5 {
		t.Errorf("n %v, stream %v, strength %v", n, stream, strength)
	}
	if images, masks := form.Pictures("image", "image[]"), form.Pictures("mask"); len(images) != 2 || len(masks) != 1 {
		t.Errorf("%d images, %d masks", len(images), len(masks))
	}
	if form.Raw("user") != nil {
		t.Error("an empty field is there")
	}
	form.Strict()
	if err := form.Err(); err != nil {
		t.Error(err)
	}
}

// Only at the end of a request's body does a server begin to look whether the client is there.
func TestFormIsReadToItsEnd(t *testing.T) {
	const text = "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n--b--\r\n"
	for name, tail := range map[string]string{"end": "", "epilogue": strings.Repeat("more ", 10_000)} {
		body := &ending{Reader: strings.NewReader(text + tail)}
		r := httptest.NewRequest("POST", "/", body)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		form, err := ReadForm(httptest.NewRecorder(), r)
		if err != nil || *form.Int("n", 1, 9) != 1 || !body.ended {
			t.Errorf("%s: %v, ended is %v", name, err, body.ended)
		}
	}
}

// ending knows whether it was read to its end.
type ending struct {
	io.Reader
	ended bool
}

func (e *ending) Read(b []byte) (int, error) {
	n, err := e.Reader.Read(b)
	e.ended = e.ended || err == io.EOF
	return n, err
}

func TestFormFaults(t *testing.T) {
	form, err := readForm(t, formPart{"n", "", "three"}, formPart{"stream", "", "1"}, formPart{"image", "a.txt", "hello"},
		formPart{"mask", "", "hello"}, formPart{"size", "", "1x1"}, formPart{"size", "", "2x2"}, formPart{"what", "", "?"}, formPart{"other", "o.png", "?"})
	if err != nil {
		t.Fatal(err)
	}
	form.Int("n", 1, 10)
	form.Bool("stream")
	form.Pictures("image")
	form.Pictures("mask")
	form.Text("size")
	form.Strict()
	faults := api.AsError(form.Err(), "").Faults
	got := map[string]Why{}
	for _, f := range faults {
		got[f.Field] = form.Why(f.Field)
	}
	want := map[string]Why{
		"size": WrongValue, "n": WrongType, "stream": WrongType, "image": WrongValue, "mask": WrongType, "what": NoSuchField, "other": NoSuchField,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFormLimits(t *testing.T) {
	for _, test := range []struct {
		name  string
		parts []formPart
	}{
		{"a long text", []formPart{{"prompt", "", strings.Repeat("a", maxFormText+1)}}},
		{"a large file", []formPart{{"image", "a.png", strings.Repeat("a", api.MaxInputBytes+1)}}},
		{"many parts", make([]formPart, maxFormFiles+maxFormFields+1)},
		{"much in all", []formPart{
			{"1", "a", strings.Repeat("a", api.MaxInputBytes)}, {"2", "a", strings.Repeat("a", api.MaxInputBytes)},
			{"3", "a", strings.Repeat("a", 1<<20)},
		}},
	} {
		_, err := readForm(t, test.parts...)
		if err == nil || api.AsError(err, "").Code != api.CodeTooLarge {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

func TestNoForm(t *testing.T) {
	for kind, body := range map[string]string{
		"":                                "x",
		"application/json":                "{}",
		"multipart/form-data":             "--a\r\n",
		"multipart/form-data; boundary=a": "--a\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1",
		"multipart/mixed; boundary=a":     "--a--\r\n",
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		if _, err := ReadForm(httptest.NewRecorder(), r); err == nil || api.AsError(err, "").Code != api.CodeInvalidRequest {
			t.Errorf("%q: got %v", kind, err)
		}
	}
}

func TestWhyOfAnObject(t *testing.T) {
	o, err := ParseObject([]byte(`{"n": 11, "m": 0, "k": "1", "g": -1, "style": "x", "user": "abc", "new": 1, "svg": {"a": 1}}`))
	if err != nil {
		t.Fatal(err)
	}
	o.Prompt("prompt", 10)
	o.Int("n", 1, 10)
	o.Int("m", 1, 10)
	o.Int("k", 1, 10)
	o.Number("g", 0, 1)
	o.Choice("style", "vivid")
	o.Words("user", 2)
	o.Refuse("svg", "no vector graphics are made")
	o.Refuse("gif", "nor animations")
	o.Strict()
	got := map[string]Why{}
	refusal := o.Refusal().(*Refusal)
	for _, f := range api.AsError(refusal, "").Faults {
		got[f.Field] = refusal.Why(f.Field)
	}
	want := map[string]Why{
		"prompt": Missing, "n": TooHigh, "m": TooLow, "k": WrongType, "g": TooLow, "style": WrongValue, "user": TooLong, "svg": WrongValue, "new": NoSuchField,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"g", "gif", "k", "m", "n", "prompt", "style", "svg", "user"}, o.Read()); diff != "" {
		t.Error(diff)
	}
}

func FuzzForm(f *testing.F) {
	f.Add([]byte("--a\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n--a\r\nContent-Disposition: form-data; name=\"image\"; filename=\"x\"\r\n\r\nGIF\r\n--a--\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=a")
		form, err := ReadForm(httptest.NewRecorder(), r)
		if err != nil {
			if code := api.AsError(err, "").Code; code != api.CodeInvalidRequest && code != api.CodeTooLarge {
				t.Fatalf("%s: %v", code, err)
			}
			return
		}
		form.Text("prompt")
		form.Int("n", 1, 10)
		form.Bool("stream")
		form.Pictures("image", "image[]")
		form.Strict()
	})
}
