package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
)

// runtimes are all runtime subprocesses of a node: every configured one, once for each slot.
type runtimes struct {
	bySlot [][]*supervised
}

func newRuntimes(c Config, changed func()) *runtimes {
	r := &runtimes{bySlot: make([][]*supervised, c.Slots)}
	options := runner.Options{StallTimeout: c.StallTimeout, CancelGrace: c.CancelGrace}
	for slot := range r.bySlot {
		for _, command := range c.Commands {
			s := newSupervised(command, options, c.Log.With("runtime", command.Name, "slot", slot), changed)
			r.bySlot[slot] = append(r.bySlot[slot], s)
		}
	}
	return r
}

func (r *runtimes) all() []*supervised { return slices.Concat(r.bySlot...) }

// start starts every subprocess once. It fails if none of them came up.
func (r *runtimes) start(ctx context.Context) error {
	var group sync.WaitGroup
	failures := make([]error, len(r.all()))
	for i, s := range r.all() {
		group.Go(func() { failures[i] = s.start(ctx) })
	}
	group.Wait()
	if slices.Contains(failures, nil) {
		return nil
	}
	for i, s := range r.all() {
		failures[i] = fmt.Errorf("%s: %w", s.command.Name, failures[i])
	}
	return fmt.Errorf("%w: %w", ErrNoRuntime, errors.Join(failures...))
}

// run keeps them alive until ctx ends, and returns when all are gone.
func (r *runtimes) run(ctx context.Context) {
	var group sync.WaitGroup
	for _, s := range r.all() {
		group.Go(func() { s.run(ctx) })
	}
	group.Wait()
}

// descriptions are those of the runtimes that started, each once.
func (r *runtimes) descriptions() []api.Runtime {
	var all []api.Runtime
	for _, s := range r.all() {
		info := s.description()
		if info.Name != "" && !slices.ContainsFunc(all, func(a api.Runtime) bool { return a.Name == info.Name }) {
			all = append(all, info)
		}
	}
	return all
}

// check returns why no slot can make the spec with the named runtime now; nil when one can.
func (r *runtimes) check(name string, spec api.ImageSpec) error {
	if err := api.Invalid(spec.Faults()); err != nil {
		return err
	}
	var down error
	for _, s := range r.all() {
		info := s.description()
		if info.Name != name {
			continue
		}
		if down = s.whyDown(); down == nil {
			return info.Check(spec)
		}
	}
	if down != nil {
		return api.Errorf(api.CodeRejected, "runtime %s is down: %v", name, down)
	}
	var names []string
	for _, info := range r.descriptions() {
		names = append(names, info.Name)
	}
	return api.Errorf(api.CodeRejected, "runtime: got %s, want one of %s", api.Quote(name), strings.Join(names, ", "))
}

// find returns the named runtime of a slot; nil when it has none of that name.
func (r *runtimes) find(slot int, name string) *supervised {
	for _, s := range r.bySlot[slot] {
		if s.description().Name == name {
			return s
		}
	}
	return nil
}
