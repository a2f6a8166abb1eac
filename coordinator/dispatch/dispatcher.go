// Package dispatch places queued jobs on nodes and takes attempts away from nodes that went silent. It owns
// the decision which node gets which job; the jobs and the nodes belong to others.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/internal/ident"
)

// A Dispatcher decides in one goroutine only, which is Run.
type Dispatcher struct {
	jobs      *job.Jobs
	fleet     *fleet.Fleet
	leases    *job.Leases
	heartbeat time.Duration
	log       *slog.Logger

	running atomic.Bool
	failing bool // a transition could not be recorded since the last turn; Run's own
}

// New makes a dispatcher. Heartbeat is how often nodes report.
func New(jobs *job.Jobs, nodes *fleet.Fleet, leases *job.Leases, heartbeat time.Duration, log *slog.Logger) *Dispatcher {
	return &Dispatcher{jobs: jobs, fleet: nodes, leases: leases, heartbeat: heartbeat, log: log}
}

// Running reports whether Run runs.
func (d *Dispatcher) Running() bool { return d.running.Load() }

// Run places and sweeps until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) {
	d.running.Store(true)
	defer d.running.Store(false)
	for ctx.Err() == nil {
		d.sweep(ctx)
		d.place(ctx)
		wait := max(d.leases.Next(d.heartbeat/2), time.Millisecond)
		if d.failing { // the store does not take it; a lease that has expired stays so
			wait, d.failing = d.heartbeat, false
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.jobs.Ready():
		case <-d.fleet.Changed():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// place gives each queued job that fits a free slot to its node, the oldest job first. A job that
// fits nowhere now does not hold up those behind it.
func (d *Dispatcher) place(ctx context.Context) {
	candidates := d.fleet.Candidates(d.jobs.Busy())
	if !anyFree(candidates) {
		return
	}
	now := time.Now()
	for _, q := range d.jobs.Queued(now) {
		i, runtime := choose(q, candidates, now)
		if i < 0 {
			continue
		}
		if !d.assign(ctx, q, candidates[i].ID, runtime) {
			return
		}
		candidates[i].Busy++
		candidates[i].LastModel = q.Spec.Model
		if !anyFree(candidates) {
			return
		}
	}
}

// assign records the attempt and then sends it, in this order: an attempt nobody knows of must not
// run. It reports whether placement can go on.
func (d *Dispatcher) assign(ctx context.Context, q job.Queued, node, runtime string) bool {
	ticket := ident.Secret()
	r, err := d.jobs.Change(ctx, q.ID, func(r *job.Record) error {
		return r.Assign(node, runtime, job.HashTicket(ticket))
	})
	if errors.Is(err, job.ErrStale) {
		return true
	}
	if err != nil {
		d.failing = true
		d.log.Error("cannot record an assignment", "job", q.ID, "error", err)
		return false
	}
	d.fleet.Used(node, q.Spec.Model)
	at := r.Attempt()
	sent := d.fleet.Send(node, api.CoordinatorMessage{Assign: &api.Assign{
		Attempt: at, Runtime: runtime, Spec: r.Job.Spec, Upload: uploadPath(at), Inputs: inputsPath(at), Ticket: ticket,
	}})
	d.log.Info("job assigned", "job", q.ID, "attempt", at.Number, "node", node, "sent", sent)
	if !sent {
		d.lose(ctx, at, node, api.Errorf(api.CodeRejected, "the node's session ended before the assignment"))
	}
	return true
}

// uploadPath is where the images of an attempt are PUT.
func uploadPath(a api.Attempt) string {
	return fmt.Sprintf("/easel/v1/jobs/%s/attempts/%d/images/{index}", a.Job, a.Number)
}

// inputsPath is where a node fetches the pictures of an attempt.
func inputsPath(a api.Attempt) string {
	return fmt.Sprintf("/easel/v1/jobs/%s/attempts/%d/inputs/{sha256}", a.Job, a.Number)
}

func (d *Dispatcher) lose(ctx context.Context, a api.Attempt, node string, cause *api.Error) {
	if d.jobs.Lose(ctx, a, node, cause, false) != nil {
		d.failing = true
	}
}

// sweep takes attempts away whose lease has expired and ends the sessions of silent nodes.
func (d *Dispatcher) sweep(ctx context.Context) {
	silent, all := d.fleet.Silent(d.leases.Length, d.leases.Nodes())
	if suspectOurselves(len(silent), all) && d.fleet.Pardon(silent) {
		d.log.Warn("most nodes went silent at once: the fault is probably here, nothing is taken from them yet", "silent", len(silent), "nodes", all)
		d.leases.Extend()
		return
	}
	for _, id := range silent {
		d.fleet.HangUp(id, "no heartbeat for "+d.leases.Length.String())
	}
	for _, lease := range d.leases.Expired() {
		if lease.Accepted {
			d.lose(ctx, lease.Attempt, lease.Node, api.Errorf(api.CodeNodeLost, "node %s was silent for %s", lease.Node, d.leases.Length))
			continue
		}
		d.jobs.Shun(lease.Attempt.Job, lease.Node, time.Now().Add(d.leases.Accept))
		d.lose(ctx, lease.Attempt, lease.Node, api.Errorf(api.CodeRejected, "node %s did not answer the assignment for %s", lease.Node, d.leases.Accept))
	}
}

// suspectOurselves reports whether so many nodes went silent at once that the common cause is more
// likely to be this machine or its network than all of theirs.
func suspectOurselves(silent, all int) bool { return all >= 3 && silent*2 > all }
