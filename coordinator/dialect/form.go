package dialect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"

	"github.com/easelgrid/easel/api"
)

// Limits of a form.
const (
	maxFormFiles  = 16
	maxFormFields = 64
	maxFormText   = 64 << 10 // bytes of one field
	// MaxForm is the most bytes a form may have: it may carry two pictures.
	MaxForm = 2*api.MaxInputBytes + 1<<20
)

// A Form is a request of multipart/form-data: an Object of its texts, of which numbers, true and
// false are read as such, and the files in the order in which they came.
type Form struct {
	*Object
	Files map[string][][]byte
}

// ReadForm reads a request's form into memory, within limits.
func ReadForm(w http.ResponseWriter, r *http.Request) (*Form, error) {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || parameters["boundary"] == "" {
		return nil, api.Invalid([]api.Fault{{
			Field: "Content-Type", Value: api.Quote(r.Header.Get("Content-Type")), Limit: "multipart/form-data with a boundary",
		}})
	}
	body := http.MaxBytesReader(w, r.Body, MaxForm)
	reader := multipart.NewReader(body, parameters["boundary"])
	form := &Form{newObject(), map[string][][]byte{}}
	form.Object.form, form.fields = true, map[string]json.RawMessage{}
	for parts := 0; ; parts++ {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			// To the body's own end: the server does not notice before that a client goes away.
			if _, err := io.Copy(io.Discard, body); err != nil {
				return nil, formError(err)
			}
			return form, nil
		}
		if err != nil {
			return nil, formError(err)
		}
		if parts == maxFormFiles+maxFormFields {
			return nil, api.Errorf(api.CodeTooLarge, "body: got more than %d parts", maxFormFiles+maxFormFields)
		}
		if err := form.take(part); err != nil {
			return nil, formError(err)
		}
	}
}

// formError is the error of a form that cannot be read to its end.
func formError(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e
	}
	if exceeded, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return api.Errorf(api.CodeTooLarge, "body: got more than %d bytes, want at most %d", exceeded.Limit, exceeded.Limit)
	}
	return api.Invalid([]api.Fault{{Field: "body", Value: "something else", Limit: "a whole form of multipart/form-data"}})
}

// take reads one part. A part with a file name is a file.
func (f *Form) take(part *multipart.Part) error {
	name, most := part.FormName(), int64(maxFormText)
	isFile := part.FileName() != ""
	if isFile {
		most = api.MaxInputBytes
	}
	body, err := io.ReadAll(io.LimitReader(part, most+1))
	if err != nil {
		return err
	}
	if int64(len(body)) > most {
		return api.Errorf(api.CodeTooLarge, "%s: got more than %d bytes, want at most %d", api.Quote(name), most, most)
	}
	if isFile {
		f.Files[name] = append(f.Files[name], body)
		return nil
	}
	if len(body) == 0 { // what a browser sends for a field that is left empty
		return nil
	}
	if _, twice := f.fields[name]; twice {
		f.Fault(name, "two values", "one")
		return nil
	}
	f.fields[name], err = json.Marshal(string(body))
	return err
}

// Pictures takes the files of the names, in order. What is not a PNG, JPEG or WebP file within the
// limits is a fault; so is a text in place of a file.
func (f *Form) Pictures(names ...string) [][]byte {
	var files [][]byte
	for _, name := range names {
		if raw := f.Raw(name); raw != nil {
			f.fault(WrongType, name, kindOf(raw), "a file")
		}
		for i, file := range f.Files[name] {
			if _, err := api.ReadInput(file); err != nil {
				field := name
				if len(f.Files[name]) > 1 {
					field = fmt.Sprintf("%s[%d]", name, i)
				}
				f.Wrong(field, err)
			}
			files = append(files, file)
		}
	}
	return files
}

// Strict notes texts and files that were not looked for.
func (f *Form) Strict() {
	f.Object.Strict()
	for _, name := range slices.Sorted(maps.Keys(f.Files)) {
		if !f.read[name] {
			f.fault(NoSuchField, name, "a file", "nothing: there is no such field")
		}
	}
}

// scalar is a field that is no string: in a form it is written in one.
func (o *Object) scalar(field string) json.RawMessage {
	raw := o.Raw(field)
	if raw == nil || !o.form {
		return raw
	}
	var text string
	_ = json.Unmarshal(raw, &text) // it is a valid string
	if text == "true" || text == "false" || json.Valid([]byte(text)) && text[0] != '"' && text[0] != '{' && text[0] != '[' && text != "null" {
		return json.RawMessage(text)
	}
	return raw
}
