package dialect

import (
	"net/http"
	"strconv"

	"github.com/easelgrid/easel/api"
)

// statuses are those of HTTP for the codes, for vendors that document no others. What is not here is
// the fault of a node or of the coordinator: 500.
var statuses = map[api.Code]int{
	api.CodeInvalidRequest:   http.StatusBadRequest,
	api.CodeUnsupported:      http.StatusBadRequest,
	api.CodeLoRAIncompatible: http.StatusBadRequest,
	api.CodeUnauthorized:     http.StatusUnauthorized,
	api.CodeQuotaExceeded:    http.StatusPaymentRequired,
	api.CodeForbidden:        http.StatusForbidden,
	api.CodeNotFound:         http.StatusNotFound,
	api.CodeModelNotFound:    http.StatusNotFound,
	api.CodeLoRANotFound:     http.StatusNotFound,
	api.CodeConflict:         http.StatusConflict,
	api.CodeCanceled:         http.StatusConflict,
	api.CodeTooLarge:         http.StatusRequestEntityTooLarge,
	api.CodeRateLimited:      http.StatusTooManyRequests,
	api.CodeUnavailable:      http.StatusServiceUnavailable,
}

// Status is the HTTP status of an error.
func Status(code api.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// unavailableSeconds is how long to wait while the coordinator starts or stops.
const unavailableSeconds = 5

// RetryAfter sets the header of an error after which another request may help.
func RetryAfter(w http.ResponseWriter, e *api.Error) {
	seconds := e.RetryAfter
	if seconds == 0 && e.Code == api.CodeUnavailable {
		seconds = unavailableSeconds
	}
	if seconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
}
