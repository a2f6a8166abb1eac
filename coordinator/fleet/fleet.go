// Package fleet owns what is known of every node that ever joined, connected or not: its record, its session
// while it has one, the join tokens, and a snapshot of who can do what. It knows nothing of jobs but the
// attempts that callers name.
package fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/internal/ident"
)

// A Fleet is all nodes.
type Fleet struct {
	records *store.Bucket[Record]
	changed chan struct{} // holds a token when a node changed, so that a job may fit now

	saving sync.Mutex // held over a write of a record; taken before mu
	mu     sync.Mutex
	known  map[string]*node
}

// A Record is what is kept of a node on disk.
type Record struct {
	PublicKey  []byte         `json:"public_key"`
	JoinedAt   time.Time      `json:"joined_at"`
	LastSeen   time.Time      `json:"last_seen"`
	Register   api.Register   `json:"register"` // the last one, without its secrets
	Revoked    bool           `json:"revoked,omitempty"`
	Draining   bool           `json:"draining,omitempty"` // by an admin's order
	Disconnect string         `json:"disconnect,omitempty"`
	TooLarge   map[string]int `json:"too_large,omitempty"` // by model: pixels that were out of memory
}

// A node is a record and what is in memory only.
type node struct {
	record    Record
	revision  uint64   // 0 until it is recorded
	mailbox   *Mailbox // nil while it is not connected
	lastSeen  time.Time
	pardoned  bool // it was silent already when we suspected ourselves
	draining  bool // as the node reports
	devices   []api.Device
	lastModel string
}

// NodeID is the name of the node with that public key.
func NodeID(publicKey []byte) string { return ident.Digest(publicKey)[:16] }

// Open brings back the nodes of a store.
func Open(ctx context.Context, s *store.Store) (*Fleet, error) {
	records, err := store.Open[Record](ctx, s, "nodes", 0)
	if err != nil {
		return nil, err
	}
	entries, err := records.All(ctx)
	if err != nil {
		return nil, err
	}
	f := New(records)
	for _, e := range entries {
		f.known[e.Key] = &node{record: e.Value, revision: e.Revision, lastSeen: time.Now(), devices: e.Value.Register.Devices}
	}
	return f, nil
}

// New makes an empty fleet whose records are kept in a bucket.
func New(records *store.Bucket[Record]) *Fleet {
	return &Fleet{records: records, changed: make(chan struct{}, 1), known: map[string]*node{}}
}

// Changed holds a token when a node changed, so that a job may fit that did not before.
func (f *Fleet) Changed() <-chan struct{} { return f.changed }

func (f *Fleet) wake() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// errNoNode answers questions about a node that never joined.
func errNoNode(id string) error {
	return api.Errorf(api.CodeNotFound, "there is no node %s", api.Quote(id))
}

// ErrRevoked is why a node that was revoked is refused.
var ErrRevoked = &api.Error{Code: api.CodeForbidden, Message: "this node's key was revoked by an admin"}

// Save changes a node's record durably; a node that is not known yet begins with an empty one. Edit may be
// called again when another writer was faster.
func (f *Fleet) Save(ctx context.Context, id string, edit func(*Record)) error {
	f.saving.Lock()
	defer f.saving.Unlock()
	r, revision, err := f.records.Upsert(ctx, id, func(r *Record, _ uint64) error {
		edit(r)
		return nil
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	have := f.node(id)
	have.record, have.revision = r, revision
	return nil
}

// node is what is known of a node, which begins with nothing. The caller holds mu.
func (f *Fleet) node(id string) *node {
	if f.known[id] == nil {
		f.known[id] = &node{lastSeen: time.Now()}
	}
	return f.known[id]
}

// Record returns a node's record, and whether there is one.
func (f *Fleet) Record(id string) (Record, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.known[id]; have != nil {
		return have.record, have.revision != 0
	}
	return Record{}, false
}

// LearnTooLarge notes that the node ran out of memory with this model at that many pixels.
func (f *Fleet) LearnTooLarge(ctx context.Context, id string, spec api.ImageSpec) error {
	return f.Save(ctx, id, func(r *Record) {
		pixels := spec.Width * spec.Height
		if have, ok := r.TooLarge[spec.Model]; !ok || pixels < have {
			r.TooLarge = maps.Clone(r.TooLarge)
			if r.TooLarge == nil {
				r.TooLarge = map[string]int{}
			}
			r.TooLarge[spec.Model] = pixels
		}
	})
}

// Drain orders a node to take nothing new, or to go on. Going on also forgets what was too large for
// it: an admin does that after changing the machine.
func (f *Fleet) Drain(ctx context.Context, id string, on bool) error {
	if _, ok := f.Record(id); !ok {
		return errNoNode(id)
	}
	err := f.Save(ctx, id, func(r *Record) {
		r.Draining = on
		if !on {
			r.TooLarge = nil
		}
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.known[id].draining = on // until its next heartbeat reports how it is
	f.mu.Unlock()
	f.Send(id, api.CoordinatorMessage{Drain: &api.Drain{On: on}})
	f.wake()
	return nil
}

// Revoke shuts a node out for good: its session ends and its key is refused from now on.
func (f *Fleet) Revoke(ctx context.Context, id string) error {
	if _, ok := f.Record(id); !ok {
		return errNoNode(id)
	}
	if err := f.Save(ctx, id, func(r *Record) { r.Revoked = true }); err != nil {
		return err
	}
	f.Send(id, api.CoordinatorMessage{Refused: ErrRevoked})
	f.HangUp(id, ErrRevoked.Message)
	return nil
}

// Used notes the model a node was given last.
func (f *Fleet) Used(id, model string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.known[id]; have != nil {
		have.lastModel = model
	}
}

// List returns every node as admins see it, by name; busy are the attempts of each.
func (f *Fleet) List(busy map[string][]api.Attempt) []api.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []api.Node{}
	for id, have := range f.known {
		list = append(list, have.view(id, busy[id]))
	}
	slices.SortFunc(list, func(a, b api.Node) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Node returns a single node as List does.
func (f *Fleet) Node(id string, busy map[string][]api.Attempt) (api.Node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have := f.known[id]
	if have == nil {
		return api.Node{}, errNoNode(id)
	}
	return have.view(id, busy[id]), nil
}

func (n *node) view(id string, busy []api.Attempt) api.Node {
	reg := n.record.Register
	view := api.Node{
		ID: id, Connected: n.mailbox != nil, Draining: n.draining || n.record.Draining,
		Version: reg.Version, Host: reg.Host, Devices: n.devices, Runtimes: reg.Runtimes, Slots: reg.Slots,
		Busy: busy, JoinedAt: n.record.JoinedAt, LastSeen: n.record.LastSeen, DisconnectReason: n.record.Disconnect,
	}
	if view.Busy == nil {
		view.Busy = []api.Attempt{}
	}
	if n.mailbox != nil {
		view.LastSeen, view.DisconnectReason = n.lastSeen.UTC(), ""
	}
	return view
}
