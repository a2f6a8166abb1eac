package job

import (
	"context"
	"errors"
	"time"

	"github.com/easelgrid/easel/api"
)

// Lose takes an attempt from its node without a result: see [Record.Lose]. An attempt that ended already
// changes nothing. An error means that the loss is not recorded; it was logged here.
func (j *Jobs) Lose(ctx context.Context, a api.Attempt, node string, cause *api.Error, final bool) error {
	r, err := j.Change(ctx, a.Job, func(r *Record) error {
		return r.Lose(a, node, *cause, final, time.Now().UTC())
	})
	if errors.Is(err, ErrStale) {
		return nil
	}
	if err != nil {
		j.log.Error("cannot record a lost attempt", "job", a.Job, "attempt", a.Number, "error", err)
		return err
	}
	j.log.Info("attempt lost", "job", a.Job, "attempt", a.Number, "node", node, "code", string(cause.Code), "state", string(r.Job.State))
	return nil
}

// A Stopped is an attempt that was under way when its job was canceled: its node has to be notified.
type Stopped struct {
	Node    string
	Attempt api.Attempt
}

// Cancel settles a job as canceled. One that is settled already stays as it is. Stopped is nil where no
// node had the job.
func (j *Jobs) Cancel(ctx context.Context, id string) (stopped *Stopped, err error) {
	_, err = j.Change(ctx, id, func(r *Record) error {
		if stopped = nil; r.Job.State == api.StateAssigned || r.Job.State == api.StateRunning {
			stopped = &Stopped{r.Job.NodeID, r.Attempt()}
		}
		return r.Cancel()
	})
	if errors.Is(err, ErrStale) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return stopped, nil
}

// CancelQueued cancels a job if no node has it yet, and reports whether it did.
func (j *Jobs) CancelQueued(ctx context.Context, id string) (bool, error) {
	_, err := j.Change(ctx, id, func(r *Record) error {
		if r.Job.State != api.StateQueued {
			return ErrUnchanged
		}
		return r.Cancel()
	})
	if errors.Is(err, ErrUnchanged) || errors.Is(err, ErrStale) {
		return false, nil
	}
	return err == nil, err
}

// NoteDelivery writes how the webhook of a settled job ended. The job itself is as old as before: its
// links do not work longer for it.
func (j *Jobs) NoteDelivery(ctx context.Context, id string, how api.Delivery) error {
	defer j.lock(id)()
	_, _, err := j.records.Update(ctx, id, func(r *Record, _ uint64) error {
		r.Job.Webhook = &how
		return nil
	})
	return err
}
