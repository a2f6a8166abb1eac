package dialect

import (
	"context"

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
