package modelslab

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// A call is one request whose caller is known.
type call struct {
	*dialect.Call
	body  *form
	under string // the path before the verb
}

// admit reads the body, which has the key; a bearer token stands in for it.
func (d *modelsLab) admit(w http.ResponseWriter, r *http.Request) (*call, error) {
	visit, err := d.greet(w, r)
	if err != nil {
		return nil, err
	}
	defer visit.leave()
	body, err := readBody(visit.body, r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	key := strings.TrimSpace(body.WideText("key"))
	if err := body.Err(); err != nil {
		return nil, err
	}
	if key == "" {
		key = dialect.Key(r)
	}
	if key == "" {
		return nil, api.Errorf(api.CodeUnauthorized, keyMissing)
	}
	who := visit.who
	if key != visit.key {
		if who, err = d.service.Caller(r.Context(), key); err != nil {
			return nil, err
		}
	}
	return &call{Call: &dialect.Call{W: w, R: r, Who: who}, body: body}, nil
}

// A form is a request's body with what is read here beyond it.
type form struct{ *dialect.Object }

// readBody reads JSON, whatever the content type: curl sends that of a form by default. A form,
// as some older clients send, is read as an object of strings, and no body as an empty one.
func readBody(from io.Reader, kind string) (*form, error) {
	body, err := io.ReadAll(from)
	if _, exceeded := errors.AsType[*http.MaxBytesError](err); exceeded {
		return nil, api.Errorf(api.CodeTooLarge, "body: got more than %d bytes, want at most %d", dialect.MaxBody, dialect.MaxBody)
	}
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidRequest, "body: it did not arrive whole")
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		body = []byte("{}")
	} else if body[0] != '{' && strings.HasPrefix(kind, "application/x-www-form-urlencoded") {
		body = formAsJSON(body)
	}
	o, err := dialect.ParseObject(body)
	if err != nil {
		return nil, err
	}
	return &form{o}, nil
}

func formAsJSON(body []byte) []byte {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return body
	}
	fields := map[string]string{}
	for name := range values {
		fields[name] = values.Get(name)
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		return body
	}
	return encoded
}

// required is the limit of a field that is not there: see message.
const required = "a value"

// must reads a text that is not empty.
func (f *form) must(field string) string {
	text := f.WideText(field)
	if raw := f.Raw(field); strings.TrimSpace(text) == "" && (raw == nil || raw[0] == '"') {
		f.Fault(field, "", required)
	}
	return text
}

// refuse notes a fault where a field has a value: what is asked for is not done.
func (f *form) refuse(field, why string) {
	if raw := f.Raw(field); raw != nil && string(raw) != `""` {
		f.Fault(field, "a value", "none: "+why)
	}
}

// refuseYes notes a fault where a field is switched on.
func (f *form) refuseYes(field, why string) {
	if on := f.WideBool(field); on != nil && *on {
		f.Fault(field, "yes", "no: "+why)
	}
}
