package deepfellow

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// A fault is one of FastAPI's.
type fault struct {
	Loc  []string `json:"loc"`
	Msg  string   `json:"msg"`
	Type string   `json:"type"`
}

// names are the vendor's for our fields.
var names = map[string]string{
	"width": "size", "height": "size", "width x height": "size", "output_width": "size", "output_height": "size",
	"format": "output_format", "quality": "output_compression", "steps": "quality", "safety_check": "moderation",
	"negative_prompt": "prompt", "scheduler": "model", "scheduler_options": "model", "guidance_scale": "model", "loras": "model", "vae": "model", "clip_skip": "prompt",
}

// kinds are pydantic's names of them.
var kinds = map[dialect.Why]string{
	dialect.TooLow: "greater_than_equal", dialect.TooHigh: "less_than_equal", dialect.TooLong: "string_too_long", dialect.Missing: "missing",
}

// types are pydantic's names for a value of a wrong type, where that should not have been a string.
var types = map[string]string{"n": "int_type", "output_compression": "int_type", "partial_images": "int_type", "stream": "bool_type"}

// choices are the fields that have one of a few values.
var choices = []string{"background", "moderation", "output_format", "quality", "response_format", "style"}

// An unsupported error is a fault that the vendor reports as one plain text, with status 422 as well.
type unsupported struct{ cause *api.Error }

func (u *unsupported) Error() string { return u.cause.Message }
func (u *unsupported) Unwrap() error { return u.cause }

func unsupportedError(texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	slices.Sort(texts)
	return &unsupported{&api.Error{Code: api.CodeUnsupported, Message: strings.Join(texts, "; ")}}
}

// Fail answers a request with an error: faults as FastAPI lists them, anything else in one text.
func (v *vendor) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	e := api.AsError(dialect.Rename(err, names), api.CodeInternal)
	status := dialect.Status(e.Code)
	if plain, ok := errors.AsType[*unsupported](err); ok {
		e, status = plain.cause, http.StatusUnprocessableEntity
	}
	dialect.RetryAfter(w, e)
	switch {
	case e.Code == api.CodeInvalidRequest:
		dialect.WriteJSON(w, http.StatusUnprocessableEntity, map[string][]fault{"detail": faultsOf(err, e)})
		return
	case e.Code == api.CodeUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
		e = &api.Error{Message: "Unauthorized"}
	case e.Code == api.CodeModelNotFound:
		e = &api.Error{Message: "Model not found"}
	}
	dialect.WriteJSON(w, status, map[string]string{"detail": e.Message})
}

// faultsOf are the faults of an error; one that has none is a fault of the body.
func faultsOf(err error, e *api.Error) []fault {
	if len(e.Faults) == 0 {
		return []fault{{[]string{"body"}, e.Message, "value_error"}}
	}
	refusal, _ := errors.AsType[*dialect.Refusal](err)
	faults := make([]fault, len(e.Faults))
	for i, f := range e.Faults {
		faults[i] = faultOf(f, refusal)
	}
	return faults
}

func faultOf(f api.Fault, refusal *dialect.Refusal) fault {
	at := []string{"body", f.Field}
	switch f.Field {
	case "body":
		return fault{[]string{"body"}, "Input should be " + f.Limit, "json_invalid"}
	case queryField:
		return fault{[]string{"query", f.Field}, "Input should be " + f.Limit, "bool_parsing"}
	}
	if refusal == nil { // of the specification
		return fault{at, "Value error, " + f.String(), "value_error"}
	}
	why := refusal.Why(f.Field)
	kind := kinds[why]
	switch {
	case why == dialect.Missing && f.Limit != "":
		return fault{at, "Field required", kind}
	case why == dialect.WrongType:
		kind = "string_type"
		if name, ok := types[f.Field]; ok {
			kind = name
		}
	case kind == "" && slices.Contains(choices, f.Field):
		kind = "literal_error"
	case kind == "":
		return fault{at, "Value error, " + f.String(), "value_error"}
	}
	return fault{at, "Input should be " + f.Limit, kind}
}

// queryField is the one parameter in a query.
const queryField = "additional_data"

// additional reports whether the list of models is wanted with all details.
func additional(r *http.Request) (bool, error) {
	text := r.URL.Query().Get(queryField)
	switch strings.ToLower(text) { // as pydantic reads them
	case "true", "1", "yes", "on", "t", "y":
		return true, nil
	case "", "false", "0", "no", "off", "f", "n":
		return false, nil
	}
	return false, api.Invalid([]api.Fault{{Field: queryField, Value: api.Quote(text), Limit: "true or false"}})
}
