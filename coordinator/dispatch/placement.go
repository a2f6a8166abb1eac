package dispatch

import (
	"fmt"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/coordinator/job"
)

func anyFree(candidates []fleet.Candidate) bool {
	return slices.ContainsFunc(candidates, func(c fleet.Candidate) bool { return c.Present() && c.Busy < c.Slots })
}

// fits returns the runtime to use now for the job, or why the node cannot take it now.
func fits(q job.Queued, c fleet.Candidate, now time.Time) (runtime, reason string) {
	switch until, shunned := q.Shunned[c.ID]; {
	case c.Revoked:
		return "", "it is revoked"
	case !c.Connected:
		return "", "it is not connected"
	case c.Draining:
		return "", "it is draining"
	case shunned && now.Before(until):
		return "", fmt.Sprintf("it declined the job; it is asked again in %s", until.Sub(now).Round(time.Second))
	}
	runtime, reason = c.Capable(q.Spec)
	if reason == "" && c.Busy >= c.Slots {
		return "", fmt.Sprintf("its slots are busy: %d of %d", c.Busy, c.Slots)
	}
	return runtime, reason
}

// choose picks the node for a job: one that did not lose it before, then one that had the model last
// and so has it loaded, then the least busy. It returns -1 when none fits now.
func choose(q job.Queued, candidates []fleet.Candidate, now time.Time) (best int, runtime string) {
	best = -1
	for i, c := range candidates {
		r, reason := fits(q, c, now)
		if reason == "" && (best < 0 || better(q, c, candidates[best])) {
			best, runtime = i, r
		}
	}
	return best, runtime
}

func better(q job.Queued, a, b fleet.Candidate) bool {
	if x, y := slices.Contains(q.Avoid, a.ID), slices.Contains(q.Avoid, b.ID); x != y {
		return !x
	}
	if x, y := a.LastModel == q.Spec.Model, b.LastModel == q.Spec.Model; x != y {
		return x
	}
	return a.Busy < b.Busy
}

// Explain returns why a job is where it is: for a queued one, why each node does not take it now.
func (d *Dispatcher) Explain(s job.Snapshot, now time.Time) api.Explanation {
	e := api.Explanation{Job: s.Job.ID, State: s.Job.State, Nodes: []api.NodeReason{}, Losses: s.Record.Losses}
	queued, ok := d.jobs.Open(s.Job.ID, now)
	if s.Job.State != api.StateQueued || !ok {
		e.Message = "the job is " + string(s.Job.State)
		return e
	}
	for _, c := range d.fleet.Candidates(d.jobs.Busy()) {
		_, reason := fits(queued, c, now)
		if reason == "" {
			reason = "it fits and is about to be given the job"
		}
		e.Nodes = append(e.Nodes, api.NodeReason{NodeID: c.ID, Reason: reason})
	}
	e.Message = "no node can take the job now"
	if len(e.Nodes) == 0 {
		e.Message = "no node has joined yet"
	}
	return e
}
