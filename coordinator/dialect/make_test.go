package dialect

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

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

func TestMakeWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &endless{}
		_, err := MakeWithin(t.Context(), time.Minute, s, Caller{}, Request{})
		if told, _ := errors.AsType[*api.Error](err); told == nil || told.Code != api.CodeUnavailable || s.canceled != "slow" {
			t.Errorf("got %v, and %q was canceled", err, s.canceled)
		}
	})
	job, err := MakeWithin(t.Context(), time.Minute, settled{job: api.Job{ID: "a", State: api.StateSucceeded}}, Caller{}, Request{})
	if err != nil || job.ID != "a" {
		t.Errorf("got %v, %v", job.ID, err)
	}
}

func TestMakeWithinEndsWithItsClient(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	leave()
	s := &endless{}
	if _, err := MakeWithin(ctx, time.Minute, s, Caller{}, Request{}); !errors.Is(err, context.Canceled) || s.canceled != "" {
		t.Errorf("got %v, and %q was canceled", err, s.canceled)
	}
}

func TestWaitWithinLeavesTheJobOfAPatientRequest(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "POST", "/", nil)
	r.Header.Set("Idempotency-Key", "again")
	leave()
	s := &endless{}
	// A wait that ends with context.Canceled cancels the job: see Service.
	if _, err := WaitWithin(Patient(r), time.Minute, s, Caller{}, "slow"); !errors.Is(err, context.DeadlineExceeded) || s.canceled != "" {
		t.Errorf("got %v, and %q was canceled", err, s.canceled)
	}
}

// endless is a Service whose jobs never end.
type endless struct {
	Service
	canceled string
}

func (s *endless) Submit(context.Context, Caller, Request) (api.Job, error) {
	return api.Job{ID: "slow"}, nil
}

func (s *endless) Wait(ctx context.Context, _ string, _ func(Event) error) (api.Job, error) {
	<-ctx.Done()
	return api.Job{}, ctx.Err()
}

func (s *endless) Cancel(_ context.Context, _ Caller, job string) error {
	s.canceled = job
	return nil
}
