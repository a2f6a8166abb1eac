package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
)

// nodes owns what is known of every machine that ever joined, connected or not.
type nodes struct {
	bucket *bucket[nodeRecord]
	wake   func() // a node changed, so a job may fit now

	saving sync.Mutex // held over a write of a node record; taken before mu
	mu     sync.Mutex
	known  map[string]*node
}

// A nodeRecord is what is kept of a node on disk.
type nodeRecord struct {
	PublicKey  []byte         `json:"public_key"`
	JoinedAt   time.Time      `json:"joined_at"`
	LastSeen   time.Time      `json:"last_seen"`
	Register   api.Register   `json:"register"` // the last one, without its secrets
	Revoked    bool           `json:"revoked,omitempty"`
	Draining   bool           `json:"draining,omitempty"` // an admin said so
	Disconnect string         `json:"disconnect,omitempty"`
	TooLarge   map[string]int `json:"too_large,omitempty"` // by model: pixels that were out of memory
}

// A node is a record and what is in memory only.
type node struct {
	record    nodeRecord
	revision  uint64
	session   *session // nil while it is not connected
	heard     time.Time
	pardoned  bool // it was silent already when we suspected ourselves
	draining  bool // the node said so
	devices   []api.Device
	lastModel string
}

func loadNodes(ctx context.Context, b *bucket[nodeRecord], wake func()) (*nodes, error) {
	entries, err := b.all(ctx)
	if err != nil {
		return nil, err
	}
	n := &nodes{bucket: b, wake: wake, known: map[string]*node{}}
	for _, e := range entries {
		n.known[e.key] = &node{record: e.value, revision: e.revision, heard: time.Now(), devices: e.value.Register.Devices}
	}
	return n, nil
}

// errNoNode answers questions about a node that never joined.
func errNoNode(id string) error {
	return api.Errorf(api.CodeNotFound, "there is no node %s", api.Quote(id))
}

// save changes a node's record durably; a node that is not known yet begins with an empty one. When
// the store is ahead of the memory, as after a write whose answer did not come in time, the record
// there is the one to change.
func (n *nodes) save(ctx context.Context, id string, edit func(*nodeRecord)) error {
	n.saving.Lock()
	defer n.saving.Unlock()
	r, revision, _ := n.record(id)
	r, revision, err := n.put(ctx, id, r, revision, edit)
	if errors.Is(err, errChanged) || errors.Is(err, errExists) {
		if r, revision, err = n.bucket.load(ctx, id); err == nil {
			r, revision, err = n.put(ctx, id, r, revision, edit)
		}
	}
	if err != nil {
		return fmt.Errorf("record node: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known[id] == nil {
		n.known[id] = &node{heard: time.Now()}
	}
	n.known[id].record, n.known[id].revision = r, revision
	return nil
}

// put writes the record as edit leaves it; revision 0 says that there is none yet.
func (n *nodes) put(ctx context.Context, id string, r nodeRecord, revision uint64, edit func(*nodeRecord)) (nodeRecord, uint64, error) {
	edit(&r)
	var err error
	if revision == 0 {
		revision, err = n.bucket.create(ctx, id, r)
	} else {
		revision, err = n.bucket.update(ctx, id, r, revision)
	}
	return r, revision, err
}

func (n *nodes) record(id string) (r nodeRecord, revision uint64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if have := n.known[id]; have != nil {
		return have.record, have.revision, true
	}
	return nodeRecord{}, 0, false
}

// learnTooLarge notes that the node ran out of memory with this model at that many pixels.
func (n *nodes) learnTooLarge(ctx context.Context, id string, spec api.ImageSpec) error {
	return n.save(ctx, id, func(r *nodeRecord) {
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

// drain tells a node to take nothing new, or to go on. Going on also forgets what was too large for
// it: an admin does that after changing the machine.
func (n *nodes) drain(ctx context.Context, id string, on bool) error {
	if _, _, ok := n.record(id); !ok {
		return errNoNode(id)
	}
	err := n.save(ctx, id, func(r *nodeRecord) {
		r.Draining = on
		if !on {
			r.TooLarge = nil
		}
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.known[id].draining = on // until its next heartbeat says how it is
	n.mu.Unlock()
	n.send(id, api.CoordinatorMessage{Drain: &api.Drain{On: on}})
	n.wake()
	return nil
}

// revoke shuts a node out for good: its session ends and its key is refused from now on.
func (n *nodes) revoke(ctx context.Context, id string) error {
	if _, _, ok := n.record(id); !ok {
		return errNoNode(id)
	}
	if err := n.save(ctx, id, func(r *nodeRecord) { r.Revoked = true }); err != nil {
		return err
	}
	n.send(id, api.CoordinatorMessage{Refused: errRevoked})
	n.hangUp(id, errRevoked.Message)
	return nil
}

var errRevoked = &api.Error{Code: api.CodeForbidden, Message: "this node's key was revoked by an admin"}

// used notes the model a node was given last.
func (n *nodes) used(id, model string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if have := n.known[id]; have != nil {
		have.lastModel = model
	}
}

// candidates returns every node as placement sees it, with how many of these attempts each has.
func (n *nodes) candidates(busy map[string][]api.Attempt) []candidate {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := make([]candidate, 0, len(n.known))
	for id, have := range n.known {
		list = append(list, candidate{
			id: id, connected: have.session != nil, revoked: have.record.Revoked,
			draining: have.draining || have.record.Draining,
			slots:    have.record.Register.Slots, busy: len(busy[id]),
			runtimes: have.record.Register.Runtimes, tooLarge: have.record.TooLarge, lastModel: have.lastModel,
		})
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Compare(a.id, b.id) })
	return list
}

// list returns every node as admins see it, by name.
func (n *nodes) list(busy map[string][]api.Attempt) []api.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []api.Node{}
	for id, have := range n.known {
		reg := have.record.Register
		node := api.Node{
			ID: id, Connected: have.session != nil, Draining: have.draining || have.record.Draining,
			Version: reg.Version, Host: reg.Host, Devices: have.devices, Runtimes: reg.Runtimes, Slots: reg.Slots,
			Busy: busy[id], JoinedAt: have.record.JoinedAt, LastSeen: have.record.LastSeen, Disconnects: have.record.Disconnect,
		}
		if node.Busy == nil {
			node.Busy = []api.Attempt{}
		}
		if have.session != nil {
			node.LastSeen, node.Disconnects = have.heard.UTC(), ""
		}
		list = append(list, node)
	}
	slices.SortFunc(list, func(a, b api.Node) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// one returns a single node as list does.
func (n *nodes) one(id string, busy map[string][]api.Attempt) (api.Node, error) {
	list := n.list(busy)
	i := slices.IndexFunc(list, func(x api.Node) bool { return x.ID == id })
	if i < 0 {
		return api.Node{}, errNoNode(id)
	}
	return list[i], nil
}

// isStorage reports whether an error is a failure of ours and not an answer to the caller.
func isStorage(err error) bool {
	if err == nil || errors.Is(err, errStale) || errors.Is(err, errSame) {
		return false
	}
	_, answered := errors.AsType[*api.Error](err)
	return !answered
}
