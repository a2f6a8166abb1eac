package dialect

import (
	"context"
	"errors"
	"time"

	"github.com/easelgrid/easel/api"
)

// Make submits a request and waits until its job has succeeded. One that ended otherwise is an error.
func Make(ctx context.Context, s Service, who Caller, r Request, watch func(Event) error) (api.Job, error) {
	job, err := s.Submit(ctx, who, r)
	if err != nil {
		return api.Job{}, err
	}
	if job, err = s.Wait(ctx, job.ID, watch); err != nil {
		return api.Job{}, err
	}
	return job, JobError(job)
}

// Patience is how long a synchronous request waits where the vendor says nothing of it. Clients of
// OpenAI's libraries wait as long.
const Patience = 10 * time.Minute

// MakeWithin is Make for at most some time: see [WaitWithin].
func MakeWithin(ctx context.Context, limit time.Duration, s Service, who Caller, r Request) (api.Job, error) {
	job, err := s.Submit(ctx, who, r)
	if err != nil {
		return api.Job{}, err
	}
	return WaitWithin(ctx, limit, s, who, job.ID)
}

// WaitWithin waits until a job has succeeded. One that is not settled in time is canceled.
func WaitWithin(ctx context.Context, limit time.Duration, s Service, who Caller, job string) (api.Job, error) {
	waiting, stop := context.WithTimeout(ctx, limit)
	defer stop()
	if _, ok := ctx.(patient); ok { // the deadline's context takes the client's word past the patient one
		waiting = patient{waiting}
	}
	settled, err := s.Wait(waiting, job, nil)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		if err := s.Cancel(ctx, who, job); err != nil {
			return api.Job{}, err
		}
		return api.Job{}, api.Errorf(api.CodeUnavailable, "there was no picture within %s, the job was canceled", limit)
	}
	if err != nil {
		return api.Job{}, err
	}
	return settled, JobError(settled)
}

// JobError says why a settled job has no images; nil where it has.
func JobError(job api.Job) error {
	switch {
	case job.State == api.StateSucceeded:
		return nil
	case job.Error != nil:
		return job.Error
	case job.State == api.StateCanceled:
		return api.Errorf(api.CodeCanceled, "the job was canceled")
	}
	return api.Errorf(api.CodeInternal, "the job is %s", job.State)
}
