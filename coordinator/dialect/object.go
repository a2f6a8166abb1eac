package dialect

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/easelgrid/easel/api"
)

// MaxBody is the most bytes a request in JSON may have: it may carry two pictures in base64.
const MaxBody = 256<<10 + 2*(api.MaxInputBytes/3*4+4)

// An Object is the JSON object of a request, read field by field. A field that is null is as good as
// absent. A value that a field cannot have is noted as a fault, and reading goes on: see [Object.Err].
// A field that is not read has no effect.
type Object struct {
	path   string // of the object within the request, with a dot behind it
	fields map[string]json.RawMessage
	faults *[]api.Fault
	whys   map[string]Why
	read   map[string]bool // fields that were looked for, with the path
	form   bool            // all values are strings, see [ReadForm]
}

// ReadObject reads a request's body of at most limit bytes.
func ReadObject(w http.ResponseWriter, r *http.Request, limit int64) (*Object, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, exceeded := errors.AsType[*http.MaxBytesError](err); exceeded {
		return nil, api.Errorf(api.CodeTooLarge, "body: got more than %d bytes, want at most %d", limit, limit)
	}
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidRequest, "body: it did not arrive whole")
	}
	return ParseObject(body)
}

// ParseObject reads an object from a whole body.
func ParseObject(body []byte) (*Object, error) {
	o := newObject()
	if err := json.Unmarshal(body, &o.fields); err != nil {
		got := "something else"
		if len(bytes.TrimSpace(body)) == 0 {
			got = "nothing"
		} else if broken, ok := errors.AsType[*json.SyntaxError](err); ok {
			got = fmt.Sprintf("malformed JSON at byte %d", broken.Offset)
		}
		return nil, api.Invalid([]api.Fault{{Field: "body", Value: got, Limit: "a JSON object"}})
	}
	if o.fields == nil {
		return nil, api.Invalid([]api.Fault{{Field: "body", Value: "null", Limit: "a JSON object"}})
	}
	return o, nil
}

func newObject() *Object {
	return &Object{faults: new([]api.Fault), whys: map[string]Why{}, read: map[string]bool{}}
}

// Err is one error of all faults noted so far, nil when there are none.
func (o *Object) Err() error { return api.Invalid(*o.faults) }

// Fault notes one.
func (o *Object) Fault(field, value, limit string) { o.fault(WrongValue, field, value, limit) }

func (o *Object) fault(why Why, field, value, limit string) {
	*o.faults = append(*o.faults, api.Fault{Field: o.path + field, Value: value, Limit: limit})
	o.whys[o.path+field] = why
}

// Raw is a field as it came; nil where it is absent or null.
func (o *Object) Raw(field string) json.RawMessage {
	o.read[o.path+field] = true
	raw := o.fields[field]
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// First is the first of the names whose field is there, or the first name: some vendors have two
// names for a field.
func (o *Object) First(names ...string) string {
	first := ""
	for _, name := range names {
		if o.Raw(name) != nil && first == "" {
			first = name
		}
	}
	return cmp.Or(first, names[0])
}

// Text reads a string, "" where it is absent.
func (o *Object) Text(field string) string {
	raw := o.Raw(field)
	if raw == nil {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		o.fault(WrongType, field, kindOf(raw), "a string")
	}
	return text
}

// Choice reads a string that has to be one of a list, "" where it is absent.
func (o *Object) Choice(field string, of ...string) string {
	text := o.Text(field)
	if raw := o.Raw(field); raw != nil && raw[0] == '"' && !slices.Contains(of, text) {
		o.Fault(field, api.Quote(text), "one of "+strings.Join(of, ", "))
		return ""
	}
	return text
}

// Words reads a text for a model, "" where it is absent: at most most characters, and what any prompt
// has to be.
func (o *Object) Words(field string, most int) string {
	text := o.Text(field)
	if n := utf8.RuneCountInString(text); n > most {
		o.fault(TooLong, field, fmt.Sprintf("%d characters", n), fmt.Sprintf("at most %d characters", most))
	} else if len(text) > api.MaxPromptBytes {
		o.fault(TooLong, field, fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("at most %d bytes", api.MaxPromptBytes))
	} else if strings.ContainsFunc(text, control) {
		o.Fault(field, "", "a text without control characters other than tab and line break")
	}
	return text
}

func control(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }

// Prompt reads words that have to be there.
func (o *Object) Prompt(field string, most int) string {
	before := len(*o.faults)
	text := o.Words(field, most)
	if strings.TrimSpace(text) == "" && len(*o.faults) == before {
		o.fault(Missing, field, "", "a text that is not empty")
	}
	return text
}

// Int reads a whole number from least to most, nil where it is absent.
func (o *Object) Int(field string, least, most int64) *int64 {
	raw := o.scalar(field)
	if raw == nil {
		return nil
	}
	limit := fmt.Sprintf("a whole number from %d to %d", least, most)
	value, ok := whole(raw)
	if !ok {
		o.fault(WrongType, field, kindOf(raw), limit)
		return nil
	}
	if value < least || value > most {
		o.fault(beyond(value < least), field, strconv.FormatInt(value, 10), limit)
		return nil
	}
	return &value
}

// Number reads a number from least to most, nil where it is absent.
func (o *Object) Number(field string, least, most float64) *float64 {
	raw := o.scalar(field)
	if raw == nil {
		return nil
	}
	value, ok := number(raw)
	if !ok || value < least || value > most {
		why := WrongType
		if ok {
			why = beyond(value < least)
		}
		o.fault(why, field, kindOf(raw), fmt.Sprintf("a number from %g to %g", least, most))
		return nil
	}
	return &value
}

// Bool reads true or false, nil where it is absent.
func (o *Object) Bool(field string) *bool {
	raw := o.scalar(field)
	if raw == nil {
		return nil
	}
	value := string(raw) == "true"
	if !value && string(raw) != "false" {
		o.fault(WrongType, field, kindOf(raw), "true or false")
		return nil
	}
	return &value
}

// Object reads an object within the object; one without fields where it is absent. Its faults are
// noted here.
func (o *Object) Object(field string) *Object {
	inner := &Object{path: o.path + field + ".", faults: o.faults, whys: o.whys, read: o.read}
	if raw := o.Raw(field); raw != nil && json.Unmarshal(raw, &inner.fields) != nil {
		o.fault(WrongType, field, kindOf(raw), "an object")
	}
	return inner
}

// Texts reads an array of strings, nil where it is absent.
func (o *Object) Texts(field string) []string {
	raw := o.Raw(field)
	if raw == nil {
		return nil
	}
	var texts []string
	if json.Unmarshal(raw, &texts) != nil {
		o.fault(WrongType, field, kindOf(raw), "an array of strings")
	}
	return texts
}

// whole reads a number that is whole, however it is written: 5, 5.0 and 5e0 are the same in JSON.
func whole(raw json.RawMessage) (int64, bool) {
	if value, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return value, true
	}
	value, ok := number(raw)
	if !ok || value != math.Trunc(value) || math.Abs(value) > 1<<53 {
		return 0, false
	}
	return int64(value), true
}

// number reads a JSON number. A field's value is valid JSON, so a digit or a minus makes it one; one
// that is beyond float64 is none.
func number(raw json.RawMessage) (float64, bool) {
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	value, err := strconv.ParseFloat(string(raw), 64)
	return value, err == nil
}

// kindOf describes a value for a fault.
func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		var text string
		_ = json.Unmarshal(raw, &text) // it is a valid string
		return api.Quote(text)
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	if len(raw) > 32 {
		return string(raw[:29]) + "..."
	}
	return string(raw)
}

// Whole is a field's number as the specification has it; nil stays nil.
func Whole(value *int64) *int {
	if value == nil {
		return nil
	}
	n := int(*value)
	return &n
}
