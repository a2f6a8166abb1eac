package dialect

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/api"
)

func TestBodiesThatAreNoObject(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		code api.Code
		says string
	}{
		"nothing":    {"  ", api.CodeInvalidRequest, "body: got nothing, want a JSON object"},
		"null":       {"null", api.CodeInvalidRequest, "body: got null, want a JSON object"},
		"an array":   {"[]", api.CodeInvalidRequest, "body: got something else, want a JSON object"},
		"no JSON":    {"prompt=a", api.CodeInvalidRequest, "body: got malformed JSON at byte 1, want a JSON object"},
		"cut short":  {`{"prompt":"a`, api.CodeInvalidRequest, "malformed JSON at byte 12"},
		"more":       {`{} {}`, api.CodeInvalidRequest, "malformed JSON at byte 4"},
		"too long":   {`{"prompt":"` + strings.Repeat("a", 100) + `"}`, api.CodeTooLarge, "body: got more than 100 bytes, want at most 100"},
		"deep":       {strings.Repeat(`{"a":`, 20), api.CodeInvalidRequest, "malformed JSON"},
		"an ordered": {`"text"`, api.CodeInvalidRequest, "body: got something else"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadObject(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(c.body)), 100)
			problem, ok := errors.AsType[*api.Error](err)
			if !ok || problem.Code != c.code || !strings.Contains(problem.Message, c.says) {
				t.Errorf("got %v, want %s: %s", err, c.code, c.says)
			}
		})
	}
}

func TestFields(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		read  func(o *Object) any
		want  any
		fault string // without the field's name
	}{
		"text":                      {`"a"`, func(o *Object) any { return o.Text("f") }, "a", ""},
		"text null":                 {`null`, func(o *Object) any { return o.Text("f") }, "", ""},
		"text of digits":            {`7`, func(o *Object) any { return o.Text("f") }, "", "got 7, want a string"},
		"text of an object":         {`{}`, func(o *Object) any { return o.Text("f") }, "", "got an object, want a string"},
		"choice":                    {`"b"`, func(o *Object) any { return o.Choice("f", "a", "b") }, "b", ""},
		"choice of none":            {`"c"`, func(o *Object) any { return o.Choice("f", "a", "b") }, "", `got "c", want one of a, b`},
		"choice empty":              {`""`, func(o *Object) any { return o.Choice("f", "a", "b") }, "", `got "", want one of a, b`},
		"choice of another kind":    {`[]`, func(o *Object) any { return o.Choice("f", "a") }, "", "got an array, want a string"},
		"characters, not bytes":     {`"äöü"`, func(o *Object) any { return o.Words("f", 3) }, "äöü", ""},
		"one character too many":    {`"abcd"`, func(o *Object) any { return o.Words("f", 3) }, "abcd", "got 4 characters, want at most 3 characters"},
		"a control character":       {`"a\u0001"`, func(o *Object) any { return o.Words("f", 3) }, "a\x01", "want a text without control characters other than tab and line break"},
		"many bytes":                {`"` + strings.Repeat("€", 3000) + `"`, func(o *Object) any { return len(o.Words("f", 3000)) }, 9000, "got 9000 bytes, want at most 8192 bytes"},
		"prompt":                    {`"a"`, func(o *Object) any { return o.Prompt("f", 3) }, "a", ""},
		"prompt of spaces":          {`"  "`, func(o *Object) any { return o.Prompt("f", 3) }, "  ", "want a text that is not empty"},
		"prompt absent":             {`null`, func(o *Object) any { return o.Prompt("f", 3) }, "", "want a text that is not empty"},
		"prompt of another kind":    {`true`, func(o *Object) any { return o.Prompt("f", 3) }, "", "got true, want a string"},
		"whole":                     {`5`, func(o *Object) any { return *o.Int("f", 1, 5) }, int64(5), ""},
		"whole with a point":        {`5.0`, func(o *Object) any { return *o.Int("f", 1, 5) }, int64(5), ""},
		"whole with an exponent":    {`0.5e1`, func(o *Object) any { return *o.Int("f", 1, 5) }, int64(5), ""},
		"fraction":                  {`1.5`, func(o *Object) any { return o.Int("f", 1, 5) }, (*int64)(nil), "got 1.5, want a whole number from 1 to 5"},
		"beyond":                    {`6`, func(o *Object) any { return o.Int("f", 1, 5) }, (*int64)(nil), "got 6, want a whole number from 1 to 5"},
		"far beyond":                {`1e400`, func(o *Object) any { return o.Int("f", 1, 5) }, (*int64)(nil), "got 1e400, want a whole number from 1 to 5"},
		"many digits":               {`1` + strings.Repeat("0", 50), func(o *Object) any { return o.Int("f", 1, 5) }, (*int64)(nil), "got 1" + strings.Repeat("0", 28) + "..., want a whole number from 1 to 5"},
		"whole in a string":         {`"5"`, func(o *Object) any { return o.Int("f", 1, 5) }, (*int64)(nil), `got "5", want a whole number from 1 to 5`},
		"number":                    {`4.5`, func(o *Object) any { return *o.Number("f", 0, 5) }, 4.5, ""},
		"number beyond":             {`-1e400`, func(o *Object) any { return o.Number("f", 0, 5) }, (*float64)(nil), "got -1e400, want a number from 0 to 5"},
		"number null":               {`null`, func(o *Object) any { return o.Number("f", 0, 5) }, (*float64)(nil), ""},
		"bool":                      {`false`, func(o *Object) any { return *o.Bool("f") }, false, ""},
		"bool of text":              {`"yes"`, func(o *Object) any { return o.Bool("f") }, (*bool)(nil), `got "yes", want true or false`},
		"texts":                     {`["a","b"]`, func(o *Object) any { return o.Texts("f") }, []string{"a", "b"}, ""},
		"texts of numbers":          {`[1]`, func(o *Object) any { return len(o.Texts("f")) }, 1, "got an array, want an array of strings"},
		"inner":                     {`{"x":"a"}`, func(o *Object) any { return o.Object("f").Text("x") }, "a", ""},
		"inner absent":              {`null`, func(o *Object) any { return o.Object("f").Text("x") }, "", ""},
		"inner with a fault":        {`{"x":1}`, func(o *Object) any { return o.Object("f").Text("x") }, "", "x: got 1, want a string"},
		"inner of another kind":     {`[1]`, func(o *Object) any { return o.Object("f").Text("x") }, "", "got an array, want an object"},
		"a long text in a fault":    {`"` + strings.Repeat("a", 1000) + `"`, func(o *Object) any { return o.Bool("f") }, (*bool)(nil), `aaa...", want true or false`},
		"the first name that is":    {`"a"`, func(o *Object) any { return o.First("e", "f") }, "f", ""},
		"the first name for none":   {`null`, func(o *Object) any { return o.First("e", "f") }, "e", ""},
		"no picture":                {`null`, func(o *Object) any { return o.Picture("f") }, []byte(nil), ""},
		"an empty picture":          {`""`, func(o *Object) any { return o.Picture("f") }, []byte(nil), ""},
		"a picture that is none":    {`"aGVsbG8="`, func(o *Object) any { return o.Picture("f") }, []byte(nil), "got 5 bytes of something else, want a PNG, JPEG or WebP file"},
		"a picture in no base64":    {`"/9j/4…/Z"`, func(o *Object) any { return o.Picture("f") }, []byte(nil), "got something else, want a picture in base64"},
		"a picture of another kind": {`1`, func(o *Object) any { return o.Picture("f") }, []byte(nil), "got 1, want a string"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := ParseObject([]byte(`{"f": ` + c.value + ` }`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.read(o)); diff != "" {
				t.Error(diff)
			}
			err = o.Err()
			if c.fault == "" && err != nil {
				t.Errorf("got %v", err)
			}
			if c.fault != "" && (err == nil || !strings.HasPrefix(err.Error(), "f") || !strings.HasSuffix(err.Error(), c.fault)) {
				t.Errorf("got %v, want %s", err, c.fault)
			}
		})
	}
}

func TestAllFaultsComeAtOnce(t *testing.T) {
	o, err := ParseObject([]byte(`{"prompt":1,"n":0,"config":{"size":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	o.Prompt("prompt", 10)
	o.Int("n", 1, 10)
	o.Object("config").Text("size")
	problem := o.Err().(*api.Error)
	var fields []string
	for _, f := range problem.Faults {
		fields = append(fields, f.Field)
	}
	if diff := cmp.Diff([]string{"prompt", "n", "config.size"}, fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"config", "config.size", "n", "prompt"}, o.Read()); diff != "" {
		t.Error(diff)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string][2]int{"1024x768": {1024, 768}, "1x1": {1, 1}, "99999x2": {99999, 2}} {
		if w, h, ok := ParseSize(text); !ok || w != want[0] || h != want[1] {
			t.Errorf("%s: got %d %d %v", text, w, h, ok)
		}
	}
	for _, text := range []string{"", "x", "auto", "1024", "1024x", "x1024", "0x8", "08x8", "+8x8", "8x-8", "8X8", "8x8x8", "8 x 8", "100000x8", "8x٣"} {
		if w, h, ok := ParseSize(text); ok {
			t.Errorf("%q: got %d x %d", text, w, h)
		}
	}
}

func TestRename(t *testing.T) {
	err := api.Invalid([]api.Fault{{Field: "steps", Value: "0", Limit: "1 to 500"}, {Field: "loras[0].weight", Value: "9", Limit: "4"}, {Field: "seed", Limit: "x"}})
	got := Rename(err, map[string]string{"steps": "num_steps", "loras": "lora_model"})
	if want := "num_steps: got 0, want 1 to 500; lora_model[0].weight: got 9, want 4; seed: want x"; got.Error() != want {
		t.Errorf("got %s", got)
	}
	if err.Error() == got.Error() || err.(*api.Error).Faults[0].Field != "steps" {
		t.Error("the error that was given has changed")
	}
	plain := errors.New("plain")
	if Rename(plain, nil) != plain {
		t.Error("an error without faults has changed")
	}
}
