package job

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/internal/ident"
)

// This file is what the retention room asks of the history.

// A Settled is a job of the history that is settled.
type Settled struct {
	ID       string
	At       time.Time
	revision uint64
}

// SettledLongest yields the settled jobs, the one that changed longest ago first, and reads no further than
// it is asked.
func (j *Jobs) SettledLongest(ctx context.Context) iter.Seq2[Settled, error] {
	return func(yield func(Settled, error) bool) {
		for e, err := range j.records.Oldest(ctx) {
			job := e.Value.Job
			if err == nil && !job.State.Terminal() {
				continue
			}
			if !yield(Settled{job.ID, job.UpdatedAt, e.Revision}, err) {
				return
			}
		}
	}
}

// SettledSince returns since when a job is settled; ok is false for one that is not. A job that does not
// exist, or no longer, is settled since ever.
func (j *Jobs) SettledSince(ctx context.Context, id string) (at time.Time, ok bool, err error) {
	r, _, err := j.records.Get(ctx, id)
	if errors.Is(err, store.ErrMissing) {
		return time.Time{}, true, nil
	}
	return r.Job.UpdatedAt, r.Job.State.Terminal(), err
}

// Forget deletes a settled job's images and then its record. A record that changed meanwhile stays.
func (j *Jobs) Forget(ctx context.Context, s Settled) error {
	defer j.lock(s.ID)()
	if err := errors.Join(j.artifacts.KeepOnly(api.Attempt{Job: s.ID}), j.artifacts.RemoveInputs(s.ID)); err != nil {
		return err
	}
	return j.records.Delete(ctx, s.ID, s.revision)
}

// SweepAliases deletes the other ids of jobs that no longer exist, the oldest first, as far as they are of
// jobs made before a time.
func (j *Jobs) SweepAliases(ctx context.Context, before time.Time) error {
	var problems error
	for e, err := range j.aliases.Oldest(ctx) {
		if err != nil {
			return errors.Join(problems, fmt.Errorf("sweep aliases: %w", err))
		}
		if made, ok := ident.TimeOf(e.Value.Job); ok && made.After(before) {
			break
		}
		_, _, err := j.records.Get(ctx, e.Value.Job)
		if errors.Is(err, store.ErrMissing) {
			err = j.aliases.Delete(ctx, e.Key, e.Revision)
		}
		problems = errors.Join(problems, err)
	}
	return problems
}
