package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/easelgrid/easel/api"
)

// The most bytes a JSON request may have; one for a job may carry two pictures in base64.
const (
	maxRequest    = 256 << 10
	maxJobRequest = maxRequest + 2*(api.MaxInputBytes/3*4+4)
)

// decodeRequest reads a request's JSON body strictly: a field nobody knows is more likely a slip
// than a wish, and would otherwise be ignored silently.
func decodeRequest(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return api.Errorf(api.CodeTooLarge, "body: got more than %d bytes, want at most %d", limit, limit)
	}
	if err != nil {
		return api.Errorf(api.CodeInvalidRequest, "body: it did not arrive whole")
	}
	return decodeStrict(body, into)
}

func decodeStrict(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return invalid("body", "nothing", "a JSON object")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return jsonFault(err, decoder.InputOffset())
	}
	if bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
		return invalid("body", "null", "a JSON object")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return invalid("body", "", fmt.Sprintf("nothing after the JSON object, which ends at byte %d", decoder.InputOffset()))
	}
	return nil
}

// jsonFault names the field, what was given and what is wanted.
func jsonFault(err error, offset int64) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := wrong.Field
		if field == "" {
			field = "body"
		}
		return invalid(field, wrong.Value, wanted(wrong.Type))
	}
	if broken, ok := errors.AsType[*json.SyntaxError](err); ok {
		return invalid("body", fmt.Sprintf("malformed JSON at byte %d (%s)", broken.Offset, broken), "a JSON object")
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		field := strings.Trim(name, `"`)
		return &api.Error{
			Code: api.CodeInvalidRequest, Message: api.Quote(field) + ": there is no such field",
			Faults: []api.Fault{{Field: shorten(field), Limit: "no such field"}},
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return invalid("body", fmt.Sprintf("JSON that ends at byte %d", offset), "a whole JSON object")
	}
	return invalid("body", shorten(err.Error()), "a JSON object")
}

func shorten(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}

func invalid(field, value, limit string) error {
	return api.Invalid([]api.Fault{{Field: field, Value: value, Limit: limit}})
}

// wanted describes a Go type in the words of JSON.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "an array"
	case reflect.Bool:
		return "true or false"
	}
	return "an object"
}
