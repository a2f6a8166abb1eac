package fleet

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/easelgrid/easel/api"
)

// A Candidate is a node as placement sees it: a copy of what it is and can do at one moment.
type Candidate struct {
	ID        string
	Connected bool
	Draining  bool
	Revoked   bool
	Slots     int
	Busy      int
	Runtimes  []api.Runtime
	TooLarge  map[string]int // by model: pixels that were out of its memory
	LastModel string
}

// Candidates returns every node by name; busy are the attempts of each.
func (f *Fleet) Candidates(busy map[string][]api.Attempt) []Candidate {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Candidate, 0, len(f.known))
	for id, have := range f.known {
		list = append(list, Candidate{
			ID: id, Connected: have.mailbox != nil, Revoked: have.record.Revoked,
			Draining: have.draining || have.record.Draining,
			Slots:    have.record.Register.Slots, Busy: len(busy[id]),
			Runtimes: have.record.Register.Runtimes, TooLarge: have.record.TooLarge, LastModel: have.lastModel,
		})
	}
	slices.SortFunc(list, func(a, b Candidate) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Present reports whether the node takes assignments at all now.
func (c Candidate) Present() bool { return c.Connected && !c.Draining && !c.Revoked }

// Capable returns the runtime of the node that can make the spec, whether or not it has time for it,
// or why there is none.
func (c Candidate) Capable(spec api.ImageSpec) (runtime, reason string) {
	if pixels, ok := c.TooLarge[spec.Model]; ok && spec.Width*spec.Height >= pixels {
		return "", fmt.Sprintf("it ran out of memory with model %s at %d pixels", spec.Model, pixels)
	}
	reason = "it has no runtime"
	for _, r := range c.Runtimes {
		err := r.Check(spec)
		if err == nil {
			return r.Name, ""
		}
		reason = err.Error()
	}
	return "", reason
}

// AnyCapable reports whether a connected node could make the spec, busy or not.
func (f *Fleet) AnyCapable(spec api.ImageSpec) bool {
	for _, c := range f.Candidates(nil) {
		if _, reason := c.Capable(spec); reason == "" && c.Connected && !c.Revoked {
			return true
		}
	}
	return false
}
