package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

// This file is about sessions: who is connected and who is silent.

const replacedReason = "another session of this node began"

// Replace takes the session a node has, if any, off it and ends it: a new one begins.
func (f *Fleet) Replace(id string) {
	f.mu.Lock()
	var old *Mailbox
	if have := f.known[id]; have != nil {
		old, have.mailbox = have.mailbox, nil
	}
	f.mu.Unlock()
	if old != nil {
		old.End(websocket.ClosePolicyViolation, replacedReason)
	}
}

// Attach makes the session the node's. From here on it is given jobs.
func (f *Fleet) Attach(m *Mailbox, reg api.Register) {
	f.mu.Lock()
	have := f.node(m.Node)
	old := have.mailbox
	have.mailbox, have.lastSeen, have.pardoned = m, time.Now(), false
	have.draining, have.devices = reg.Draining, reg.Devices
	f.mu.Unlock()
	if old != nil {
		old.End(websocket.ClosePolicyViolation, replacedReason)
	}
	f.wake()
}

// Detach notes the end of a session and why, unless another one has taken its place.
func (f *Fleet) Detach(ctx context.Context, m *Mailbox, reason string) error {
	f.mu.Lock()
	have := f.known[m.Node]
	current := have.mailbox == m
	if current {
		have.mailbox = nil
	}
	seen := have.lastSeen.UTC()
	f.mu.Unlock()
	if !current {
		return nil
	}
	f.wake()
	return f.Save(ctx, m.Node, func(r *Record) { r.Disconnect, r.LastSeen = reason, seen })
}

// Heartbeat notes that a node reported, and its state.
func (f *Fleet) Heartbeat(m *Mailbox, h api.Heartbeat) {
	f.mu.Lock()
	have := f.known[m.Node]
	resumed := have.mailbox == m && have.draining && !h.Draining
	if have.mailbox == m {
		have.lastSeen, have.pardoned, have.draining = time.Now(), false, h.Draining
		if len(h.Devices) > 0 {
			have.devices = h.Devices
		}
	}
	f.mu.Unlock()
	if resumed {
		f.wake()
	}
}

// mailbox is the way to a node, nil while it is not connected.
func (f *Fleet) mailbox(id string) *Mailbox {
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.known[id]; have != nil {
		return have.mailbox
	}
	return nil
}

// Send queues a message for a node; false means that it is not connected.
func (f *Fleet) Send(id string, message api.CoordinatorMessage) bool {
	m := f.mailbox(id)
	return m != nil && m.Send(message)
}

// HangUp ends a node's session.
func (f *Fleet) HangUp(id, reason string) {
	if m := f.mailbox(id); m != nil {
		m.End(websocket.ClosePolicyViolation, reason)
	}
}

// EndAll ends every session because the coordinator stops.
func (f *Fleet) EndAll(reason string) {
	f.mu.Lock()
	var all []*Mailbox
	for _, have := range f.known {
		if have.mailbox != nil {
			all = append(all, have.mailbox)
		}
	}
	f.mu.Unlock()
	for _, m := range all {
		m.End(websocket.CloseGoingAway, reason)
	}
}

// Silent returns the nodes that did not report for that long among those that should, which are the
// connected ones and the holders of leases, and how many should be.
func (f *Fleet) Silent(length time.Duration, holders map[string]bool) (silent []string, all int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, have := range f.known {
		if have.mailbox == nil && !holders[id] {
			continue
		}
		all++
		if time.Since(have.lastSeen) >= length {
			silent = append(silent, id)
		}
	}
	slices.Sort(silent)
	return silent, all
}

// Pardon gives silent nodes one more period. It reports false when all of them had theirs already:
// then they are gone, whatever we suspected.
func (f *Fleet) Pardon(silent []string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh := slices.ContainsFunc(silent, func(id string) bool { return !f.known[id].pardoned })
	if !fresh {
		return false
	}
	for _, id := range silent {
		f.known[id].pardoned, f.known[id].lastSeen = true, time.Now()
	}
	return true
}
