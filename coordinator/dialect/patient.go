package dialect

import (
	"context"
	"net/http"
)

// Patient is the context to wait with for the job of a request that its client may send again with the
// same Idempotency-Key. When such a client goes away, the waiting is over as by a deadline and the job
// goes on: the next request with the key finds it.
func Patient(r *http.Request) context.Context {
	if r.Header.Get("Idempotency-Key") == "" {
		return r.Context()
	}
	return patient{r.Context()}
}

type patient struct{ context.Context }

func (p patient) Err() error {
	if p.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}
