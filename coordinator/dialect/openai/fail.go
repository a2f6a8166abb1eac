package openai

import (
	"errors"
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// A problem is OpenAI's form of an error.
type problem struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// names are OpenAI's for our fields.
var names = map[string]string{
	"width": "size", "height": "size", "width x height": "size", "output_width": "size", "output_height": "size",
	"init_image": "image", "mask_image": "mask", "format": "output_format", "quality": "output_compression",
	"steps": "quality", "strength": "input_fidelity", "safety_check": "moderation",
	"scheduler": "model", "scheduler_options": "model", "guidance_scale": "model", "loras": "model", "vae": "model", "clip_skip": "model",
}

// whyCodes are OpenAI's for kinds of faults.
var whyCodes = map[dialect.Why]string{
	dialect.WrongType: "invalid_type", dialect.TooLow: "integer_below_min_value", dialect.TooHigh: "integer_above_max_value",
	dialect.TooLong: "string_above_max_length", dialect.Missing: "missing_required_parameter", dialect.NoSuchField: "unknown_parameter",
}

// A kind is OpenAI's form of a code of ours.
type kind struct {
	status int
	name   string // OpenAI's type
	code   string // OpenAI's code; "" is our own
}

var kinds = map[api.Code]kind{
	api.CodeInvalidRequest:   {http.StatusBadRequest, "invalid_request_error", "invalid_value"},
	api.CodeUnsupported:      {http.StatusBadRequest, "invalid_request_error", ""},
	api.CodeLoRAIncompatible: {http.StatusBadRequest, "invalid_request_error", ""},
	api.CodeUnauthorized:     {http.StatusUnauthorized, "invalid_request_error", "invalid_api_key"},
	api.CodeForbidden:        {http.StatusForbidden, "invalid_request_error", "insufficient_permissions"},
	api.CodeNotFound:         {http.StatusNotFound, "invalid_request_error", ""},
	api.CodeModelNotFound:    {http.StatusNotFound, "invalid_request_error", ""},
	api.CodeLoRANotFound:     {http.StatusNotFound, "invalid_request_error", ""},
	api.CodeConflict:         {http.StatusConflict, "invalid_request_error", ""},
	api.CodeCanceled:         {http.StatusConflict, "invalid_request_error", ""},
	api.CodeTooLarge:         {http.StatusRequestEntityTooLarge, "invalid_request_error", ""},
	api.CodeRateLimited:      {http.StatusTooManyRequests, "requests", "rate_limit_exceeded"},
	api.CodeQuotaExceeded:    {http.StatusTooManyRequests, "insufficient_quota", "insufficient_quota"},
	api.CodeUnavailable:      {http.StatusServiceUnavailable, "server_error", ""},
}

// problemOf is an error in OpenAI's form. The code of several faults is that of the first.
func problemOf(err error) (problem, kind, *api.Error) {
	e := api.AsError(dialect.Rename(err, names), api.CodeInternal)
	k, ok := kinds[e.Code]
	if !ok {
		k = kind{http.StatusInternalServerError, "server_error", ""}
	}
	if k.code == "" {
		k.code = string(e.Code)
	}
	p := problem{Message: e.Message, Type: k.name, Code: &k.code}
	if len(e.Faults) > 0 {
		field := e.Faults[0].Field
		if refusal, ok := errors.AsType[*dialect.Refusal](err); ok && whyCodes[refusal.Why(field)] != "" {
			k.code = whyCodes[refusal.Why(field)]
		}
		p.Param = &field
	} else if e.Code == api.CodeModelNotFound {
		field := "model"
		p.Param = &field
	}
	return p, k, e
}

// Fail answers a request with an error. OpenAI's libraries send a request again after status 409, 429
// and 5xx; a header keeps them from it where that cannot help, as a job that failed was tried on several
// nodes already.
func (v *vendor) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	p, k, e := problemOf(err)
	switch e.Code {
	case api.CodeUnavailable, api.CodeRateLimited:
		dialect.RetryAfter(w, e)
	case api.CodeUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="easel"`)
	default:
		w.Header().Set("X-Should-Retry", "false")
		dialect.RetryAfter(w, e)
	}
	dialect.WriteJSON(w, k.status, map[string]problem{"error": p})
}
