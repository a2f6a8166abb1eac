package agent

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/easelgrid/easel/api"
)

// attempt is one that this node holds.
//
//	making -> delivering -> done   (kept until settled)
//	   \__________\_______> failed (kept until settled)
//
// Dropping it, at any point, ends its work and deletes it.
type attempt struct {
	id     api.Attempt
	entry  *entry // belongs to the attempt's goroutine while working, to nobody after that
	cancel context.CancelCauseFunc

	// Guarded by slots.mu.
	making  bool             // its images are not all made: it takes a slot and lives by the lease
	working bool             // its goroutine runs
	dropped bool             // the last to let go of it deletes the entry
	outcome *api.NodeMessage // Done or Failed; nil before
}

// slots owns the attempts that a node holds, and knows the session to send through while there is one.
type slots struct {
	size  int
	spool *spool
	log   *slog.Logger
	check func(runtime string, spec api.ImageSpec) error // why an attempt has no place here; nil when it has
	work  func(ctx context.Context, a *attempt)          // makes and delivers; returns when the attempt ended

	group sync.WaitGroup // of the working goroutines
	due   chan struct{}  // holds a token when a heartbeat is due before its time

	mu      sync.Mutex
	held    map[api.Attempt]*attempt
	out     *outbox       // of the session; nil while there is none
	leaving bool          // the agent stops
	stopped bool          // and waits for work no longer
	ordered bool          // the coordinator wants the node to drain
	moved   chan struct{} // closed, and another made, when an attempt moves on
}

func newSlots(size int, spool *spool, log *slog.Logger, check func(string, api.ImageSpec) error, work func(context.Context, *attempt)) *slots {
	return &slots{
		size: size, spool: spool, log: log, check: check, work: work,
		due: make(chan struct{}, 1), held: map[api.Attempt]*attempt{}, moved: make(chan struct{}),
	}
}

// restore holds what the spool kept from an earlier run. Finished images that are not delivered yet
// go on their way again.
func (s *slots) restore(entries []*entry) {
	for _, e := range entries {
		a := &attempt{id: e.Assign.Attempt, entry: e, outcome: e.outcome()}
		s.mu.Lock()
		s.held[a.id] = a
		s.mu.Unlock()
		if a.outcome == nil {
			s.begin(a)
		}
	}
}

// assign accepts an attempt, or rejects it with the reason.
func (s *slots) assign(assign api.Assign) {
	log := s.log.With("job", assign.Job, "attempt", assign.Number)
	a, err := s.admit(assign)
	if err != nil {
		reason := shortened(*api.AsError(err, api.CodeRejected))
		log.Info("attempt rejected", "code", reason.Code)
		s.send(api.NodeMessage{Reject: &api.Reject{Attempt: assign.Attempt, Error: reason}})
		return
	}
	s.send(api.NodeMessage{Accept: &api.Accept{Attempt: assign.Attempt}})
	if a != nil {
		log.Info("attempt accepted", "runtime", assign.Runtime, "images", assign.Spec.N)
		s.begin(a)
	}
}

// admit returns the new attempt, or nil for one that is held already. The record is on the disk
// before anything is promised. Only the session's reader calls it, so nothing is admitted meanwhile.
func (s *slots) admit(assign api.Assign) (*attempt, error) {
	if known, err := s.vacancy(assign.Attempt); known || err != nil {
		return nil, err
	}
	if err := s.check(assign.Runtime, assign.Spec); err != nil {
		return nil, err
	}
	e, err := s.spool.create(assign)
	if err != nil {
		return nil, err
	}
	a := &attempt{id: assign.Attempt, entry: e, making: true}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[a.id] = a
	return a, nil
}

// vacancy reports whether the attempt is held already, and otherwise why there is no room for it.
func (s *slots) vacancy(id api.Attempt) (known bool, err error) {
	s.mu.Lock()
	var older []api.Attempt
	making := 0
	for other, a := range s.held {
		switch {
		case other == id:
			known = true
		case other.Job == id.Job && other.Number > id.Number:
			err = api.Errorf(api.CodeRejected, "attempt %d of this job is here already", other.Number)
		case other.Job == id.Job:
			older = append(older, other)
		case a.making:
			making++
		}
	}
	switch {
	case known || err != nil:
	case s.leaving || s.ordered:
		err = api.Errorf(api.CodeRejected, "the node is draining")
	case making >= s.size:
		err = api.Errorf(api.CodeRejected, "all %d slots are busy", s.size)
	}
	s.mu.Unlock()
	if !known && err == nil {
		s.drop(errDropped, older...) // a newer attempt fences them off
	}
	return known, err
}

// begin starts the attempt's goroutine. Its context ends by the attempt's own cancel alone: neither
// a lost session nor the end of Run's context stops what is being made.
func (s *slots) begin(a *attempt) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s.mu.Lock()
	a.cancel, a.working = cancel, true
	switch {
	case a.dropped:
		cancel(errDropped)
	case s.stopped:
		cancel(errStopping)
	}
	s.mu.Unlock()
	s.group.Go(func() {
		defer cancel(nil)
		s.work(ctx, a)
		s.change(func() { a.working, a.making = false, false })
		s.sweep(a)
	})
}

// vacate frees the slot of an attempt whose images are all made, while they are delivered.
func (s *slots) vacate(a *attempt) { s.change(func() { a.making = false }) }

// finish reports how the attempt ended, now if there is a session and after every reconnect.
func (s *slots) finish(a *attempt, outcome *api.NodeMessage) {
	s.change(func() {
		if a.dropped {
			return
		}
		a.outcome = outcome
		if s.out != nil {
			s.out.forget(a.id)
			s.out.put(*outcome)
		}
	})
}

// drop stops and forgets attempts. Nothing is reported about them.
func (s *slots) drop(why error, ids ...api.Attempt) {
	for _, id := range ids {
		var a *attempt
		s.change(func() {
			if a = s.held[id]; a == nil {
				return
			}
			delete(s.held, id)
			a.dropped = true
			if s.out != nil {
				s.out.forget(id)
			}
			if a.cancel != nil {
				a.cancel(why)
			}
		})
		if a != nil {
			s.log.Info("attempt let go", "job", id.Job, "attempt", id.Number, "because", why)
			s.sweep(a)
		}
	}
}

// sweep deletes a dropped attempt's directory once nobody works in it.
func (s *slots) sweep(a *attempt) {
	s.mu.Lock()
	gone := a.dropped && !a.working
	s.mu.Unlock()
	if !gone {
		return
	}
	if err := a.entry.remove(); err != nil {
		s.log.Warn("spool entry not removed", "job", a.id.Job, "attempt", a.id.Number, "error", err)
	}
}

// expire drops what is still being made, when the lease ran out: by now it is made elsewhere.
// Finished results stay until the coordinator has decided about them.
func (s *slots) expire() {
	s.mu.Lock()
	var ids []api.Attempt
	for id, a := range s.held {
		if a.making {
			ids = append(ids, id)
		}
	}
	s.mu.Unlock()
	s.drop(errLease, ids...)
}

// stop ends all work, when the agent cannot wait for it any longer.
func (s *slots) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, a := range s.held {
		if a.working {
			a.cancel(errStopping)
		}
	}
}

// names lists the attempts held, in a steady order.
func (s *slots) names() []api.Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]api.Attempt, 0, len(s.held))
	for id := range s.held {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b api.Attempt) int {
		if a.Job != b.Job {
			return strings.Compare(a.Job, b.Job)
		}
		return a.Number - b.Number
	})
	return ids
}

// change runs f under the lock and wakes those who wait in until.
func (s *slots) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.moved)
	s.moved = make(chan struct{})
}
