package coordinator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// A submission is a job that is not durable yet.
type submission struct {
	spec     api.ImageSpec
	asked    string   // what the client called the model
	pictures [][]byte // that the spec names
	key      *replayKey
	owner    string
	dialect  string
	alias    string
	webhook  *dialect.Webhook
	base     string

	admit func() error // says why the owner may not submit it now
}

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

const maxIdempotencyKey = 255 // characters

// newReplayKey checks an Idempotency-Key. The digest is over the decoded request, so that white space
// in the body does not matter, and before defaults, so that a drawn seed does not either.
func newReplayKey(owner, scope, key string, request any) (*replayKey, error) {
	if n := len(key); n == 0 || n > maxIdempotencyKey {
		return nil, invalid("Idempotency-Key", strconv.Itoa(n)+" characters", "one value of 1 to "+strconv.Itoa(maxIdempotencyKey)+" characters")
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return &replayKey{name: hashHex([]byte(owner + "\n" + scope + "\n" + key)), digest: hashHex(body)}, nil
}

// replayOf is the key of a dialect's request. Its alias is not part of what is asked: the vendor's
// clients did not choose it, and a repeated request comes with another.
func replayOf(owner string, r dialect.Request) (*replayKey, error) {
	if r.IdempotencyKey == "" {
		return nil, nil
	}
	return newReplayKey(owner, r.Dialect, r.IdempotencyKey, struct {
		Model   string
		Job     api.JobRequest
		Webhook *dialect.Webhook
	}{r.Model, r.Job, r.Webhook})
}

// submit makes a job of the spec, with the pictures it names, durable and returns it. With an
// Idempotency-Key that was used before, it is the job made then.
//
// The order of the writes decides what a sudden end leaves: the idempotency entry first, so that no
// second job can come of the same key; then the alias; then the pictures; then the record; then the
// queue entry. Until the last one the client has no answer, and a repeated request goes on where this
// one stopped. An alias without a job is nothing that anybody knows of.
func (j *jobs) submit(ctx context.Context, s submission) (api.Job, error) {
	now := time.Now().UTC()
	id := newJobID(now)
	if s.key != nil {
		var err error
		if id, err = j.reserve(ctx, id, *s.key); err != nil {
			return api.Job{}, err
		}
	}
	defer j.lock(id)()
	r, revision, err := j.recorded(ctx, id, now, s)
	if err != nil {
		return api.Job{}, err
	}
	if r.Job.State.Terminal() && len(s.pictures) > 0 {
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

// recorded writes the record of a new job, or finds the one there is.
func (j *jobs) recorded(ctx context.Context, id string, now time.Time, s submission) (record, uint64, error) {
	r, revision, err := j.storage.jobs.load(ctx, id)
	if err == nil {
		if !r.Job.State.Terminal() && !j.placed(id) { // a start since then swept what came with it
			err = j.keepInputs(ctx, id, s.pictures)
		}
		return r, revision, cmp.Or(err, j.makeAlias(ctx, s.dialect, s.alias, id))
	}
	if !errors.Is(err, errMissing) {
		return r, 0, fmt.Errorf("record job: %w", err)
	}
	if s.admit != nil { // before the alias, which stays: whoever is over a limit may ask often
		if err := s.admit(); err != nil {
			return r, 0, err
		}
	}
	if err := j.makeAlias(ctx, s.dialect, s.alias, id); err != nil {
		return r, 0, err
	}
	if err := j.keepInputs(ctx, id, s.pictures); err != nil {
		return r, 0, err
	}
	r = record{
		Job: api.Job{
			ID: id, State: api.StateQueued, CreatedAt: now, UpdatedAt: now, Spec: s.spec, AskedModel: s.asked, Images: []api.Image{},
		},
		Owner: s.owner, Dialect: s.dialect, Webhook: named(s.webhook, s.alias, id), Base: s.base,
	}
	revision, err = j.storage.jobs.create(ctx, id, r)
	if err != nil {
		return r, 0, fmt.Errorf("record job: %w", err)
	}
	return r, revision, nil
}

// named is the webhook with what the client calls the job.
func named(hook *dialect.Webhook, alias, id string) *dialect.Webhook {
	if hook == nil {
		return nil
	}
	told := *hook
	if told.ID = alias; alias == "" {
		told.ID = id
	}
	return &told
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

// placed reports whether the job is in line or being made.
func (j *jobs) placed(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.open[id] != nil
}

// enqueue gives the job its place in line if it is not settled and has none.
func (j *jobs) enqueue(ctx context.Context, r record, revision uint64) error {
	if j.placed(r.Job.ID) || r.Job.State.Terminal() {
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
