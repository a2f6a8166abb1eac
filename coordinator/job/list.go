package job

import (
	"context"
	"maps"
	"slices"

	"github.com/easelgrid/easel/api"
)

// List returns up to limit of the jobs that are wanted, the newest first; with a state only those in it.
// Names sort by time, so only the keys of the whole history are read, and as many records as are wanted.
// Jobs that are not settled are in memory, and the history is not searched for them.
func (j *Jobs) List(ctx context.Context, state api.State, limit int, wanted func(Record) bool) ([]api.Job, error) {
	ids, err := j.candidates(ctx, state)
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	found := []api.Job{}
	for _, id := range slices.Backward(ids) {
		if len(found) == limit || ctx.Err() != nil { // full, or nobody waits for it any more
			break
		}
		s, err := j.Find(ctx, id)
		if err != nil {
			return nil, err
		}
		if (state == "" || s.Job.State == state) && wanted(s.Record) {
			found = append(found, s.Job)
		}
	}
	return found, nil
}

// candidates returns the jobs that may be in the state, all of them for "".
func (j *Jobs) candidates(ctx context.Context, state api.State) ([]string, error) {
	if state == "" || state.Terminal() {
		return j.records.Keys(ctx)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.open)), nil
}
