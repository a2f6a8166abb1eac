package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/easelgrid/easel/api"
)

// The dispatcher places queued jobs on nodes and takes attempts away from nodes that went silent.
// Placement is decided by its one goroutine only.
type dispatcher struct {
	jobs      *jobs
	nodes     *nodes
	leases    *leases
	heartbeat time.Duration
	pause     time.Duration // how long a job keeps away from a node that declined it
	log       *slog.Logger
	woken     chan struct{}
	running   atomic.Bool
	failing   atomic.Bool // a transition could not be recorded since the last turn
}

// wake makes the dispatcher look again: a job came, a slot is free, or a node changed.
func (d *dispatcher) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

func (d *dispatcher) run(ctx context.Context) {
	d.running.Store(true)
	defer d.running.Store(false)
	for ctx.Err() == nil {
		d.sweep(ctx)
		d.place(ctx)
		wait := max(d.leases.next(d.heartbeat/2), time.Millisecond)
		if d.failing.Swap(false) { // the store does not take it; a lease that is over stays so
			wait = d.heartbeat
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// place gives each queued job that fits a free slot to its node, the oldest job first. A job that
// fits nowhere now does not hold up those behind it.
func (d *dispatcher) place(ctx context.Context) {
	candidates := d.nodes.candidates(d.jobs.busy())
	if !anyFree(candidates) {
		return
	}
	now := time.Now()
	for _, w := range d.jobs.waiting(now) {
		i, runtime := choose(w, candidates, now)
		if i < 0 {
			continue
		}
		if !d.assign(ctx, w, candidates[i].id, runtime) {
			return
		}
		candidates[i].busy++
		candidates[i].lastModel = w.spec.Model
		if !anyFree(candidates) {
			return
		}
	}
}

func anyFree(candidates []candidate) bool {
	for _, c := range candidates {
		if c.connected && !c.draining && !c.revoked && c.busy < c.slots {
			return true
		}
	}
	return false
}

// assign records the attempt and then sends it, in this order: an attempt nobody knows of must not
// run. It reports whether placement can go on.
func (d *dispatcher) assign(ctx context.Context, w waiting, node, runtime string) bool {
	ticket := randomText()
	r, err := d.jobs.change(ctx, w.id, func(r *record) error {
		return r.assign(node, runtime, hashTicket(ticket))
	})
	if errors.Is(err, errStale) {
		return true
	}
	if err != nil {
		d.failing.Store(true)
		d.log.Error("cannot record an assignment", "job", w.id, "error", err)
		return false
	}
	d.nodes.used(node, w.spec.Model)
	sent := d.nodes.send(node, api.CoordinatorMessage{Assign: &api.Assign{
		Attempt: r.attempt(), Runtime: runtime, Spec: r.Job.Spec,
		Upload: uploadPath(r.attempt()), Inputs: inputsPath(r.attempt()), Ticket: ticket,
	}})
	d.log.Info("job assigned", "job", w.id, "attempt", r.Job.Attempt, "node", node, "sent", sent)
	if !sent {
		d.lose(ctx, r.attempt(), node, api.Errorf(api.CodeRejected, "the node's session ended before the assignment"))
	}
	return true
}

// lose takes the attempt from the node.
func (d *dispatcher) lose(ctx context.Context, a api.Attempt, node string, cause *api.Error) {
	final := cause.Code == api.CodeOutOfMemory && !d.anyCapable(a.Job)
	r, err := d.jobs.change(ctx, a.Job, func(r *record) error {
		return r.lose(a, node, *cause, final, time.Now().UTC())
	})
	if errors.Is(err, errStale) {
		return
	}
	if err != nil {
		d.failing.Store(true)
		d.log.Error("cannot record a lost attempt", "job", a.Job, "attempt", a.Number, "error", err)
		return
	}
	d.log.Info("attempt lost", "job", a.Job, "attempt", a.Number, "node", node, "code", string(cause.Code), "state", string(r.Job.State))
}

// anyCapable reports whether a connected node could make the job, busy or not.
func (d *dispatcher) anyCapable(job string) bool {
	w, ok := d.jobs.one(job, time.Now())
	if !ok {
		return false
	}
	for _, c := range d.nodes.candidates(nil) {
		if _, reason := c.capable(w.spec); reason == "" && c.connected && !c.revoked {
			return true
		}
	}
	return false
}

// sweep takes attempts away whose lease is over and ends the sessions of silent nodes.
func (d *dispatcher) sweep(ctx context.Context) {
	silent, all := d.nodes.silent(d.leases.length, d.leases.nodes())
	if suspectOurselves(len(silent), all) && d.nodes.pardon(silent) {
		d.log.Warn("most nodes went silent at once: the fault is probably here, nothing is taken from them yet", "silent", len(silent), "nodes", all)
		d.leases.extend()
		return
	}
	for _, id := range silent {
		d.nodes.hangUp(id, "no heartbeat for "+d.leases.length.String())
	}
	for _, over := range d.leases.expired() {
		if over.accepted {
			d.lose(ctx, over.attempt, over.node, api.Errorf(api.CodeNodeLost, "node %s was silent for %s", over.node, d.leases.length))
			continue
		}
		d.jobs.shun(over.attempt.Job, over.node, time.Now().Add(d.pause))
		d.lose(ctx, over.attempt, over.node, api.Errorf(api.CodeRejected, "node %s did not answer the assignment for %s", over.node, d.leases.accept))
	}
}

// suspectOurselves reports whether so many nodes went silent at once that the common cause is more
// likely to be this machine or its network than all of theirs.
func suspectOurselves(silent, all int) bool { return all >= 3 && silent*2 > all }
