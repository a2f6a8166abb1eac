package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/internal/ident"
)

const (
	idempotencyKept   = 24 * time.Hour // how long an Idempotency-Key gives the same job
	maxIdempotencyKey = 255            // characters
)

// An IdempotencyKey is that of a request, made unique among API keys, and what was asked with it.
type IdempotencyKey struct {
	name   string
	digest string
}

// NewIdempotencyKey checks an Idempotency-Key of an owner in a scope, such as a dialect. The digest is that of
// the decoded request, so that white space in the body does not matter, and before defaults, so that a drawn
// seed does not either.
func NewIdempotencyKey(owner, scope, key string, request any) (*IdempotencyKey, error) {
	if n := len(key); n == 0 || n > maxIdempotencyKey {
		return nil, api.Invalid([]api.Fault{{
			Field: "Idempotency-Key", Value: strconv.Itoa(n) + " characters",
			Limit: "one value of 1 to " + strconv.Itoa(maxIdempotencyKey) + " characters",
		}})
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return &IdempotencyKey{
		name: ident.Digest([]byte(owner + "\n" + scope + "\n" + key)), digest: ident.Digest(body),
	}, nil
}

// A reservation is what an Idempotency-Key was used for.
type reservation struct {
	Job    string `json:"job"`
	Digest string `json:"digest"` // of the request
}

// ErrKeyReused answers a second request with an Idempotency-Key and another body.
var ErrKeyReused = &api.Error{Code: api.CodeConflict, Message: "Idempotency-Key: it was used within 24 h for a request with another body, want a new key"}

// reserve ties the key to the job id, or finds the job it is tied to.
func (j *Jobs) reserve(ctx context.Context, id string, key IdempotencyKey) (string, error) {
	_, err := j.keys.Create(ctx, key.name, reservation{id, key.digest})
	if err == nil {
		return id, nil
	}
	if !errors.Is(err, store.ErrExists) {
		return "", fmt.Errorf("reserve idempotency key: %w", err)
	}
	earlier, _, err := j.keys.Get(ctx, key.name)
	if err != nil {
		return "", fmt.Errorf("reserve idempotency key: %w", err)
	}
	if earlier.Digest != key.digest {
		return "", ErrKeyReused
	}
	return earlier.Job, nil
}
