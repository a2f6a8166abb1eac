package dialect

import (
	"context"
	"errors"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestMake(t *testing.T) {
	broken := &api.Error{Code: api.CodeOutOfMemory, Message: "too big"}
	for name, c := range map[string]struct {
		job  api.Job
		want api.Code
	}{
		"done":     {api.Job{State: api.StateSucceeded}, ""},
		"failed":   {api.Job{State: api.StateFailed, Error: broken}, api.CodeOutOfMemory},
		"canceled": {api.Job{State: api.StateCanceled}, api.CodeCanceled},
		"silent":   {api.Job{State: api.StateFailed}, api.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Make(t.Context(), settled{job: c.job}, Caller{}, Request{}, nil)
			if told, _ := errors.AsType[*api.Error](err); (told == nil) != (c.want == "") || told != nil && told.Code != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// settled is a Service whose jobs have ended as soon as they are submitted.
type settled struct {
	Service
	job api.Job
}

func (s settled) Submit(context.Context, Caller, Request) (api.Job, error) { return s.job, nil }

func (s settled) Wait(context.Context, string, func(Event) error) (api.Job, error) { return s.job, nil }
