package dialect

import (
	"net/http"

	"github.com/easelgrid/easel/api"
)

// An ErrorForm is a vendor's form of errors.
type ErrorForm struct {
	// Names are the vendor's for the fields of a job: see [Rename].
	Names map[string]string
	// Status is the HTTP status of a code; nil is [Status].
	Status func(api.Code) int
	// Body is the JSON of an error. It may set headers.
	Body func(h http.Header, e *api.Error) any
}

// Fail answers with an error.
func (f ErrorForm) Fail(w http.ResponseWriter, err error) {
	e := api.AsError(Rename(err, f.Names), api.CodeInternal)
	status := Status
	if f.Status != nil {
		status = f.Status
	}
	RetryAfter(w, e)
	WriteJSON(w, status(e.Code), f.Body(w.Header(), e))
}
