package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/easelgrid/easel/api"
)

// An alias is another id of a job, in one dialect.
type alias struct {
	Job string `json:"job"`
}

// aliasName is a key that a bucket takes, whatever an alias is made of.
func aliasName(dialect, id string) string { return hashHex([]byte(dialect + "\n" + id)) }

// makeAlias gives a job another id. One that is another job's is a conflict.
func (j *jobs) makeAlias(ctx context.Context, dialect, id, job string) error {
	if id == "" {
		return nil
	}
	name := aliasName(dialect, id)
	_, err := j.storage.aliases.create(ctx, name, alias{job})
	if errors.Is(err, errExists) {
		var have alias
		if have, _, err = j.storage.aliases.load(ctx, name); err == nil && have.Job != job {
			return api.Errorf(api.CodeConflict, "another job is called %s", api.Quote(id))
		}
	}
	if err != nil {
		return fmt.Errorf("record alias: %w", err)
	}
	return nil
}

// unalias returns the job with that other id, "" when there is none.
func (j *jobs) unalias(ctx context.Context, dialect, id string) (string, error) {
	have, _, err := j.storage.aliases.load(ctx, aliasName(dialect, id))
	if err != nil && !errors.Is(err, errMissing) {
		return "", fmt.Errorf("find alias: %w", err)
	}
	return have.Job, nil
}

// sweepAliases deletes the other ids of jobs that are no more, the oldest first.
func (s *sweeper) sweepAliases(ctx context.Context, now time.Time) error {
	if s.records < 0 {
		return nil
	}
	var problems error
	for e, err := range s.jobs.storage.aliases.oldest(ctx) {
		if err != nil {
			return errors.Join(problems, fmt.Errorf("sweep aliases: %w", err))
		}
		if made, ok := timeOf(e.value.Job); ok && now.Before(made.Add(s.records)) {
			break
		}
		_, _, err := s.jobs.storage.jobs.load(ctx, e.value.Job)
		if errors.Is(err, errMissing) {
			err = s.jobs.storage.aliases.remove(ctx, e.key, e.revision)
		}
		problems = errors.Join(problems, err)
	}
	return problems
}
