package coordinator

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
)

// A waiting is one queued job as the dispatcher sees it.
type waiting struct {
	id      string
	order   uint64
	spec    api.ImageSpec
	avoid   []string
	shunned map[string]time.Time
}

// waiting returns the queued jobs, the oldest first.
func (j *jobs) waiting(now time.Time) []waiting {
	j.mu.Lock()
	defer j.mu.Unlock()
	var line []waiting
	for id, open := range j.open {
		if open.record.Job.State == api.StateQueued {
			line = append(line, open.waiting(id, now))
		}
	}
	slices.SortFunc(line, func(a, b waiting) int { return cmp.Compare(a.order, b.order) })
	return line
}

func (o *openJob) waiting(id string, now time.Time) waiting {
	w := waiting{id: id, order: o.order, spec: o.record.Job.Spec, avoid: o.record.Avoid}
	for node, until := range o.shunned {
		if now.Before(until) {
			if w.shunned == nil {
				w.shunned = map[string]time.Time{}
			}
			w.shunned[node] = until
		}
	}
	return w
}

// one returns a single job as waiting does, whatever its state.
func (j *jobs) one(id string, now time.Time) (waiting, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	open, ok := j.open[id]
	if !ok {
		return waiting{}, false
	}
	return open.waiting(id, now), true
}

// shun keeps a job from a node that declined it for a while.
func (j *jobs) shun(id, node string, until time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if open := j.open[id]; open != nil {
		if open.shunned == nil {
			open.shunned = map[string]time.Time{}
		}
		open.shunned[node] = until
	}
}

// live reports whether the job is in that attempt on that node now.
func (j *jobs) live(a api.Attempt, node string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	open := j.open[a.Job]
	return open != nil && open.record.live(a, node)
}

// busy returns the attempts under way by node.
func (j *jobs) busy() map[string][]api.Attempt {
	j.mu.Lock()
	defer j.mu.Unlock()
	busy := map[string][]api.Attempt{}
	for _, open := range j.open {
		if r := &open.record; r.Job.State == api.StateAssigned || r.Job.State == api.StateRunning {
			busy[r.Job.NodeID] = append(busy[r.Job.NodeID], r.attempt())
		}
	}
	for _, attempts := range busy {
		slices.SortFunc(attempts, func(a, b api.Attempt) int { return cmp.Compare(a.Job, b.Job) })
	}
	return busy
}

// advance notes progress and tells the watchers. It is kept in memory only: after a restart the next
// report brings it back.
func (j *jobs) advance(node string, p api.Progressed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	open := j.open[p.Job]
	if open == nil || !open.record.live(p.Attempt, node) {
		return
	}
	open.progress = &p.Progress
	j.events.publish(p.Job, event{progress: &p})
}

// preview passes on a picture of an unfinished image.
func (j *jobs) preview(node string, p api.Previewed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if open := j.open[p.Job]; open != nil && open.record.live(p.Attempt, node) {
		j.events.publish(p.Job, event{preview: &p})
	}
}

// queued returns the jobs of an owner that wait.
func (j *jobs) queued(owner string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var ids []string
	for id, open := range j.open {
		if open.record.Owner == owner && open.record.Job.State == api.StateQueued {
			ids = append(ids, id)
		}
	}
	return ids
}

// list returns up to limit of the jobs that are wanted, the newest first; with a state only those in it. Names sort by
// time, so only the keys of the whole history are read, and as many records as are wanted. Jobs that
// are not settled are in memory, and the history is not searched for them.
func (j *jobs) list(ctx context.Context, state api.State, limit int, wanted func(record) bool) ([]api.Job, error) {
	ids, err := j.names(ctx, state)
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	found := []api.Job{}
	for _, id := range slices.Backward(ids) {
		if len(found) == limit || ctx.Err() != nil { // full, or nobody waits for it any more
			break
		}
		r, job, _, err := j.find(ctx, id)
		if err != nil {
			return nil, err
		}
		if (state == "" || job.State == state) && wanted(r) {
			found = append(found, job)
		}
	}
	return found, nil
}

// names returns the jobs that may be in the state, all of them for "".
func (j *jobs) names(ctx context.Context, state api.State) ([]string, error) {
	if state == "" || state.Terminal() {
		return j.storage.jobs.names(ctx)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.open)), nil
}

// pending reports whether the attempt is assigned to the node and not known to run yet.
func (j *jobs) pending(a api.Attempt, node string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	open := j.open[a.Job]
	return open != nil && open.record.Job.State == api.StateAssigned && open.record.live(a, node)
}
