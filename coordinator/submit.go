package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/easelgrid/easel/api"
)

// A replay is what an Idempotency-Key was used for.
type replay struct {
	Job    string `json:"job"`
	Digest string `json:"digest"` // of the request
}

// A replayKey is a request's Idempotency-Key, made unique over API keys, and what was asked with it.
type replayKey struct {
	name   string
	digest string
}

// submit makes a job of the spec, with the pictures it names, durable and returns it. With an Idempotency-Key that was used
// before, it is the job made then.
//
// The order of the writes decides what a sudden end leaves: the idempotency entry first, so that no
// second job can come of the same key; then the pictures; then the record; then the queue entry. Until the last one the
// client has no answer, and a repeated request goes on where this one stopped.
func (j *jobs) submit(ctx context.Context, spec api.ImageSpec, key *replayKey, pictures ...[]byte) (api.Job, error) {
	now := time.Now().UTC()
	id := newJobID(now)
	if key != nil {
		var err error
		if id, err = j.reserve(ctx, id, *key); err != nil {
			return api.Job{}, err
		}
	}
	defer j.lock(id)()
	r := record{Job: api.Job{
		ID: id, State: api.StateQueued, CreatedAt: now, UpdatedAt: now, Spec: spec, Images: []api.Image{},
	}}
	if err := j.keepInputs(ctx, id, pictures); err != nil {
		return api.Job{}, err
	}
	revision, err := j.storage.jobs.create(ctx, id, r)
	if errors.Is(err, errExists) {
		r, revision, err = j.storage.jobs.load(ctx, id)
	}
	if err != nil {
		return api.Job{}, fmt.Errorf("record job: %w", err)
	}
	if r.Job.State.Terminal() && len(pictures) > 0 {
		if err := j.artifacts.removeInputs(id); err != nil {
			return api.Job{}, err
		}
	}
	if err := j.enqueue(ctx, r, revision); err != nil {
		return api.Job{}, err
	}
	_, job, _, err := j.find(ctx, id)
	return job, err
}

// keepInputs stores what the record is about to name.
func (j *jobs) keepInputs(ctx context.Context, id string, pictures [][]byte) error {
	for _, body := range pictures {
		if len(body) == 0 {
			continue
		}
		if err := j.artifacts.putInput(ctx, id, body); err != nil {
			return err
		}
	}
	return nil
}

// reserve ties the key to the job id, or finds the job it is tied to.
func (j *jobs) reserve(ctx context.Context, id string, key replayKey) (string, error) {
	_, err := j.storage.idempotency.create(ctx, key.name, replay{id, key.digest})
	if err == nil {
		return id, nil
	}
	if !errors.Is(err, errExists) {
		return "", fmt.Errorf("reserve idempotency key: %w", err)
	}
	earlier, _, err := j.storage.idempotency.load(ctx, key.name)
	if err != nil {
		return "", fmt.Errorf("reserve idempotency key: %w", err)
	}
	if earlier.Digest != key.digest {
		return "", errReplayConflict
	}
	return earlier.Job, nil
}

// errReplayConflict answers a second request with an Idempotency-Key and another body.
var errReplayConflict = &api.Error{Code: api.CodeConflict, Message: "Idempotency-Key: it was used within 24 h for a request with another body, want a new key"}

// enqueue gives the job its place in line if it is not settled and has none.
func (j *jobs) enqueue(ctx context.Context, r record, revision uint64) error {
	j.mu.Lock()
	_, placed := j.open[r.Job.ID]
	j.mu.Unlock()
	if placed || r.Job.State.Terminal() {
		return nil
	}
	order, err := j.storage.queue.create(ctx, r.Job.ID, place{Since: r.Job.CreatedAt})
	if errors.Is(err, errExists) { // written by a request that gave up waiting for the answer
		_, order, err = j.storage.queue.load(ctx, r.Job.ID)
	}
	if err != nil {
		return fmt.Errorf("queue job: %w", err)
	}
	j.mu.Lock()
	j.open[r.Job.ID] = &openJob{record: r, revision: revision, order: order}
	j.mu.Unlock()
	j.wake()
	return nil
}
