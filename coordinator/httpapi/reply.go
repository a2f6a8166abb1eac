package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/intake"
	"github.com/easelgrid/easel/coordinator/job"
)

// answer writes a reply or an error. An error that is not for the client is logged here, once, and
// hidden from it.
func (s *server) answer(w http.ResponseWriter, r *http.Request, reply any, err error) {
	if err == nil {
		writeJSON(w, http.StatusOK, reply)
		return
	}
	if job.StorageFailed(err) {
		s.Log.Error("request failed", "method", r.Method, "route", r.Pattern, "error", err)
		err = intake.ErrStorage
	}
	writeError(w, api.AsError(err, api.CodeInternal))
}

// statuses is the one table from error codes to HTTP. A code that is not in it is a defect of ours.
var statuses = map[api.Code]int{
	api.CodeInvalidRequest: http.StatusBadRequest,
	api.CodeUnauthorized:   http.StatusUnauthorized,
	api.CodeForbidden:      http.StatusForbidden,
	api.CodeNotFound:       http.StatusNotFound,
	api.CodeModelNotFound:  http.StatusNotFound,
	api.CodeLoRANotFound:   http.StatusNotFound,
	api.CodeConflict:       http.StatusConflict,
	api.CodeTooLarge:       http.StatusRequestEntityTooLarge,
	api.CodeUnsupported:    http.StatusUnprocessableEntity,
	api.CodeRateLimited:    http.StatusTooManyRequests,
	api.CodeQuotaExceeded:  http.StatusPaymentRequired,
	api.CodeUnavailable:    http.StatusServiceUnavailable,
	api.CodeInternal:       http.StatusInternalServerError,
}

func writeError(w http.ResponseWriter, e *api.Error) {
	status, ok := statuses[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	writeStatus(w, status, e)
}

func writeStatus(w http.ResponseWriter, status int, e *api.Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="easel"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, status, map[string]*api.Error{"error": e})
}

func writeJSON(w http.ResponseWriter, status int, reply any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(reply) // a client that went away has no use for an error
}
