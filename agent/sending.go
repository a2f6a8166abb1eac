package agent

import (
	"context"

	"github.com/easelgrid/easel/api"
)

// This file is how slots and the session of the moment find each other.

// attach sends messages through out from here on, and first how finished attempts ended: under one
// lock, so that each outcome is sent exactly once a session.
func (s *slots) attach(out *outbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = out
	for _, a := range s.held {
		if a.outcome != nil {
			out.put(*a.outcome)
		}
	}
}

// detach ends what attach began. What is sent from here on is lost, or sent again by the next attach.
func (s *slots) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = nil
}

// send passes a message on if there is a session.
func (s *slots) send(m api.NodeMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != nil {
		s.out.put(m)
	}
}

// report passes on progress or a preview of an attempt that is still wanted.
func (s *slots) report(a *attempt, m api.NodeMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != nil && !a.dropped {
		s.out.put(m)
	}
}

// order follows the coordinator's wish to drain, or to resume.
func (s *slots) order(drain bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ordered = drain
	s.beatNow()
}

// leave takes nothing new from here on.
func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = true
	s.beatNow()
}

func (s *slots) beatNow() {
	select {
	case s.due <- struct{}{}:
	default:
	}
}

func (s *slots) draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving || s.ordered
}

// until waits for a state of the held attempts and reports whether it came before ctx ended.
func (s *slots) until(ctx context.Context, reached func(held map[api.Attempt]*attempt) bool) bool {
	for {
		s.mu.Lock()
		ok, moved := reached(s.held), s.moved
		s.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}
