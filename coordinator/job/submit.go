package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/internal/ident"
)

// A Submission is a job that is not durable yet.
type Submission struct {
	Spec     api.ImageSpec
	Asked    string   // what the client called the model
	Pictures [][]byte // that the spec names
	Key      *IdempotencyKey
	Owner    string
	Dialect  string
	Alias    string
	Webhook  *api.Webhook
	Base     string

	Admit func() error // why the owner may not submit it now, nil when it may; not asked for a job there is
}

// Submit makes a job of the spec, with the pictures it names, durable and returns it. With an
// Idempotency-Key that was used before, it is the job made then.
//
// The order of the writes decides what a sudden end leaves: the idempotency entry first, so that no
// second job can come of the same key; then the alias; then the pictures; then the place in the queue; then
// the record. Until the last one the client has no answer, and a repeated request goes on where this one
// stopped. A place without a record is removed at the next start; an alias without a job is nothing that
// anybody knows of. A record that is not settled has a place, always: a job without one would wait for ever.
func (j *Jobs) Submit(ctx context.Context, s Submission) (api.Job, error) {
	now := time.Now().UTC()
	id := ident.Timed(now)
	if s.Key != nil {
		var err error
		if id, err = j.reserve(ctx, id, *s.Key); err != nil {
			return api.Job{}, err
		}
	}
	defer j.lock(id)()
	r, revision, err := j.records.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrMissing):
		err = j.create(ctx, id, now, s)
	case err != nil:
		err = fmt.Errorf("record job: %w", err)
	default:
		err = j.resume(ctx, r, revision, s)
	}
	if err != nil {
		return api.Job{}, err
	}
	found, err := j.Find(ctx, id)
	return found.Job, err
}

// create writes all there is of a new job.
func (j *Jobs) create(ctx context.Context, id string, now time.Time, s Submission) error {
	if s.Admit != nil { // before the alias, which stays: whoever has exceeded a limit may ask often
		if err := s.Admit(); err != nil {
			return err
		}
	}
	if err := j.makeAlias(ctx, s.Dialect, s.Alias, id); err != nil {
		return err
	}
	if err := j.keepInputs(ctx, id, s.Pictures); err != nil {
		return err
	}
	order, err := j.queue.enter(ctx, id, now)
	if err != nil {
		return err
	}
	r := Record{
		Job: api.Job{
			ID: id, State: api.StateQueued, CreatedAt: now, UpdatedAt: now, Spec: s.Spec, AskedModel: s.Asked, Images: []api.Image{},
		},
		Owner: s.Owner, Dialect: s.Dialect, Webhook: named(s.Webhook, s.Alias, id), Base: s.Base,
	}
	revision, err := j.records.Create(ctx, id, r)
	if err != nil {
		return fmt.Errorf("record job: %w", err)
	}
	j.admitted(r, revision, order)
	return nil
}

// resume goes on with a job that an earlier request with the same Idempotency-Key recorded.
func (j *Jobs) resume(ctx context.Context, r Record, revision uint64, s Submission) error {
	id := r.Job.ID
	if r.Job.State.Terminal() || j.isOpen(id) {
		return j.makeAlias(ctx, s.Dialect, s.Alias, id)
	}
	// The answer to an earlier write did not come, or it was written by a version that wrote the record
	// first. A start since then has swept its pictures.
	err := j.keepInputs(ctx, id, s.Pictures)
	if err = cmp.Or(err, j.makeAlias(ctx, s.Dialect, s.Alias, id)); err != nil {
		return err
	}
	order, err := j.queue.enter(ctx, id, r.Job.CreatedAt)
	if err == nil {
		j.admitted(r, revision, order)
	}
	return err
}

// admitted makes a durable job one that can be placed.
func (j *Jobs) admitted(r Record, revision, order uint64) {
	j.mu.Lock()
	j.open[r.Job.ID] = &openJob{record: r, revision: revision, order: order}
	j.mu.Unlock()
	j.wake()
}

// named is the webhook with what the client calls the job.
func named(hook *api.Webhook, alias, id string) *api.Webhook {
	if hook == nil {
		return nil
	}
	complete := *hook
	complete.ID = cmp.Or(alias, id)
	return &complete
}

// keepInputs stores what the record is about to name.
func (j *Jobs) keepInputs(ctx context.Context, id string, pictures [][]byte) error {
	for _, body := range pictures {
		if len(body) == 0 {
			continue
		}
		if err := j.artifacts.PutInput(ctx, id, body); err != nil {
			return err
		}
	}
	return nil
}
