package job

import (
	"cmp"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
)

// This file is what is asked of the jobs that are not settled; all of it is in memory.

// A Queued is one queued job as placement sees it.
type Queued struct {
	ID      string
	Spec    api.ImageSpec
	Avoid   []string             // nodes that lost it, another is preferred
	Shunned map[string]time.Time // nodes that declined it, and until when they are not asked again
	order   uint64
}

// Queued returns the queued jobs, the oldest first.
func (j *Jobs) Queued(now time.Time) []Queued {
	j.mu.Lock()
	defer j.mu.Unlock()
	var queue []Queued
	for id, open := range j.open {
		if open.record.Job.State == api.StateQueued {
			queue = append(queue, open.queued(id, now))
		}
	}
	slices.SortFunc(queue, func(a, b Queued) int { return cmp.Compare(a.order, b.order) })
	return queue
}

func (o *openJob) queued(id string, now time.Time) Queued {
	q := Queued{ID: id, order: o.order, Spec: o.record.Job.Spec, Avoid: o.record.Avoid}
	for node, until := range o.shunned {
		if now.Before(until) {
			if q.Shunned == nil {
				q.Shunned = map[string]time.Time{}
			}
			q.Shunned[node] = until
		}
	}
	return q
}

// Open returns a single open job as [Jobs.Queued] does, whatever its state.
func (j *Jobs) Open(id string, now time.Time) (Queued, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	open, ok := j.open[id]
	if !ok {
		return Queued{}, false
	}
	return open.queued(id, now), true
}

// Shun keeps a job from a node that declined it for a while.
func (j *Jobs) Shun(id, node string, until time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if open := j.open[id]; open != nil {
		if open.shunned == nil {
			open.shunned = map[string]time.Time{}
		}
		open.shunned[node] = until
	}
}

// Live reports whether the job is in that attempt on that node now.
func (j *Jobs) Live(a api.Attempt, node string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	open := j.open[a.Job]
	return open != nil && open.record.Live(a, node)
}

// Pending reports whether the attempt is assigned to the node and not known to run yet.
func (j *Jobs) Pending(a api.Attempt, node string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	open := j.open[a.Job]
	return open != nil && open.record.Job.State == api.StateAssigned && open.record.Live(a, node)
}

// Busy returns the attempts under way by node.
func (j *Jobs) Busy() map[string][]api.Attempt {
	j.mu.Lock()
	defer j.mu.Unlock()
	busy := map[string][]api.Attempt{}
	for _, open := range j.open {
		if r := &open.record; r.Job.State == api.StateAssigned || r.Job.State == api.StateRunning {
			busy[r.Job.NodeID] = append(busy[r.Job.NodeID], r.Attempt())
		}
	}
	for _, attempts := range busy {
		slices.SortFunc(attempts, func(a, b api.Attempt) int { return cmp.Compare(a.Job, b.Job) })
	}
	return busy
}

// QueuedOf returns the ids of an owner's jobs that are queued.
func (j *Jobs) QueuedOf(owner string) []string {
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

// OpenOf sums up the jobs of an owner that are not settled.
func (j *Jobs) OpenOf(owner string) api.Usage {
	j.mu.Lock()
	defer j.mu.Unlock()
	var sum api.Usage
	for _, open := range j.open {
		if spec := open.record.Job.Spec; open.record.Owner == owner {
			sum.Jobs++
			sum.Images += spec.N
			sum.MegapixelSteps += spec.MegapixelSteps()
		}
	}
	return sum
}

// isOpen reports whether the job is queued or being made.
func (j *Jobs) isOpen(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.open[id] != nil
}

// Advance notes progress and notifies the watchers. It is kept in memory only: after a restart the next
// report brings it back.
func (j *Jobs) Advance(node string, p api.Progressed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	open := j.open[p.Job]
	if open == nil || !open.record.Live(p.Attempt, node) {
		return
	}
	open.progress = &p.Progress
	j.events.publish(p.Job, Event{Progress: &p})
}

// Preview passes on a picture of an unfinished image.
func (j *Jobs) Preview(node string, p api.Previewed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if open := j.open[p.Job]; open != nil && open.record.Live(p.Attempt, node) {
		j.events.publish(p.Job, Event{Preview: &p})
	}
}
