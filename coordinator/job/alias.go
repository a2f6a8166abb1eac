package job

import (
	"context"
	"errors"
	"fmt"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/internal/ident"
)

// An alias is another id of a job, in one dialect.
type alias struct {
	Job string `json:"job"`
}

// aliasKey is a key that a bucket takes, whatever an alias is made of.
func aliasKey(dialect, id string) string { return ident.Digest([]byte(dialect + "\n" + id)) }

// makeAlias gives a job another id. One that is another job's is a conflict.
func (j *Jobs) makeAlias(ctx context.Context, dialect, id, job string) error {
	if id == "" {
		return nil
	}
	key := aliasKey(dialect, id)
	_, err := j.aliases.Create(ctx, key, alias{job})
	if errors.Is(err, store.ErrExists) {
		var have alias
		if have, _, err = j.aliases.Get(ctx, key); err == nil && have.Job != job {
			return api.Errorf(api.CodeConflict, "another job is called %s", api.Quote(id))
		}
	}
	if err != nil {
		return fmt.Errorf("record alias: %w", err)
	}
	return nil
}

// Unalias returns the id of the job with that other id, "" when there is none.
func (j *Jobs) Unalias(ctx context.Context, dialect, id string) (string, error) {
	have, _, err := j.aliases.Get(ctx, aliasKey(dialect, id))
	if err != nil && !errors.Is(err, store.ErrMissing) {
		return "", fmt.Errorf("find alias: %w", err)
	}
	return have.Job, nil
}
