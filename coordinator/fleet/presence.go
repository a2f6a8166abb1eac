package coordinator

import (
	"context"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

// This file is the part of nodes that is about sessions: who is connected and who is silent.

// replace takes the session a node has, if any, off it and ends it: a new one begins.
func (n *nodes) replace(id string) {
	n.mu.Lock()
	var old *session
	if have := n.known[id]; have != nil {
		old, have.session = have.session, nil
	}
	n.mu.Unlock()
	if old != nil {
		old.end(websocket.ClosePolicyViolation, "another session of this node began")
	}
}

// attach makes the session the node's. From here on it is given jobs.
func (n *nodes) attach(s *session, reg api.Register) {
	n.mu.Lock()
	have := n.known[s.node]
	old := have.session
	have.session, have.heard, have.pardoned = s, time.Now(), false
	have.draining, have.devices = reg.Draining, reg.Devices
	n.mu.Unlock()
	if old != nil {
		old.end(websocket.ClosePolicyViolation, "another session of this node began")
	}
	n.wake()
}

// detach notes the end of a session and why, unless another one has taken its place.
func (n *nodes) detach(ctx context.Context, s *session, reason string) error {
	n.mu.Lock()
	have := n.known[s.node]
	current := have.session == s
	if current {
		have.session = nil
	}
	seen := have.heard.UTC()
	n.mu.Unlock()
	if !current {
		return nil
	}
	n.wake()
	return n.save(ctx, s.node, func(r *nodeRecord) { r.Disconnect, r.LastSeen = reason, seen })
}

// heartbeat notes that a node was heard and how it is.
func (n *nodes) heartbeat(s *session, h api.Heartbeat) {
	n.mu.Lock()
	have := n.known[s.node]
	resumed := have.session == s && have.draining && !h.Draining
	if have.session == s {
		have.heard, have.pardoned, have.draining = time.Now(), false, h.Draining
		if len(h.Devices) > 0 {
			have.devices = h.Devices
		}
	}
	n.mu.Unlock()
	if resumed {
		n.wake()
	}
}

// send queues a message for a node; false says that it is not connected.
func (n *nodes) send(id string, m api.CoordinatorMessage) bool {
	n.mu.Lock()
	var s *session
	if have := n.known[id]; have != nil {
		s = have.session
	}
	n.mu.Unlock()
	return s != nil && s.send(m)
}

// hangUp ends a node's session.
func (n *nodes) hangUp(id, reason string) {
	n.mu.Lock()
	var s *session
	if have := n.known[id]; have != nil {
		s = have.session
	}
	n.mu.Unlock()
	if s != nil {
		s.end(websocket.ClosePolicyViolation, reason)
	}
}

// endAll ends every session because the coordinator stops.
func (n *nodes) endAll(reason string) {
	n.mu.Lock()
	var sessions []*session
	for _, have := range n.known {
		if have.session != nil {
			sessions = append(sessions, have.session)
		}
	}
	n.mu.Unlock()
	for _, s := range sessions {
		s.end(websocket.CloseGoingAway, reason)
	}
}

// silent returns the nodes not heard for that long among those that should be heard, which are the
// connected ones and the holders of leases, and how many should be.
func (n *nodes) silent(length time.Duration, holders map[string]bool) (silent []string, all int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, have := range n.known {
		if have.session == nil && !holders[id] {
			continue
		}
		all++
		if time.Since(have.heard) >= length {
			silent = append(silent, id)
		}
	}
	slices.Sort(silent)
	return silent, all
}

// pardon gives silent nodes one more period. It reports false when all of them had theirs already:
// then they are gone, whatever we suspected.
func (n *nodes) pardon(silent []string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	any := false
	for _, id := range silent {
		have := n.known[id]
		any = any || !have.pardoned
	}
	if !any {
		return false
	}
	for _, id := range silent {
		n.known[id].pardoned, n.known[id].heard = true, time.Now()
	}
	return true
}
