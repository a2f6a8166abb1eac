package coordinator

import (
	"maps"
	"slices"
	"strings"

	"github.com/easelgrid/easel/api"
)

// A catalogEntry is one model as clients see it.
type catalogEntry struct {
	api.Model
	Schedulers []string `json:"schedulers"`
	MaxPixels  int      `json:"max_pixels"`
	SizeStep   int      `json:"size_step"`
	Nodes      int      `json:"nodes"` // connected ones that serve it
	// What the catalog's file says, where there is one.
	Serves      string   `json:"serves,omitempty"` // the nodes' name for it
	Aliases     []string `json:"aliases,omitempty"`
	Owner       string   `json:"owner,omitempty"`
	Description string   `json:"description,omitempty"`
}

// runtimes returns everything known that makes images: what is shipped, then what nodes said they
// have. Nodes that are away count: a job for them waits.
func (c *coordinator) runtimes(candidates []candidate) []api.Runtime {
	known := slices.Clone(c.config.Models)
	for _, candidate := range candidates {
		if !candidate.revoked {
			known = append(known, candidate.runtimes...)
		}
	}
	return known
}

// catalog returns every model known, by name, described by the first runtime that has it.
func (c *coordinator) catalog() []catalogEntry {
	candidates := c.nodes.candidates(nil)
	byName := map[string]*catalogEntry{}
	for _, r := range c.runtimes(candidates) {
		for _, m := range r.Models {
			if byName[m.Name] == nil {
				byName[m.Name] = &catalogEntry{Model: m, Schedulers: r.Schedulers, MaxPixels: r.MaxPixels, SizeStep: r.SizeStep}
			}
		}
	}
	for _, candidate := range candidates {
		for name := range serving(candidate) {
			byName[name].Nodes++
		}
	}
	list := []catalogEntry{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, *byName[name])
	}
	return list
}

// serving returns the models a node serves now.
func serving(c candidate) map[string]bool {
	names := map[string]bool{}
	if !c.connected || c.revoked {
		return names
	}
	for _, r := range c.runtimes {
		for _, m := range r.Models {
			names[m.Name] = true
		}
	}
	return names
}

// resolve turns a request into a spec that at least one known runtime can make, or lists what is
// wrong with it, together with what was found before. Random is the seed to use when none is given.
func (c *coordinator) resolve(request api.JobRequest, random int64, more ...api.Fault) (api.ImageSpec, error) {
	runtimes := c.runtimes(c.nodes.candidates(nil))
	model, err := c.model(request.Model, runtimes)
	if err != nil {
		return api.ImageSpec{}, err
	}
	spec, faults := request.Spec(model, random)
	faults = append(more, faults...)
	var first error
	for _, r := range runtimes {
		if _, ok := r.FindModel(model.Name); !ok {
			continue
		}
		err := r.Check(spec)
		if err == nil {
			return spec, api.Invalid(faults)
		}
		if first == nil {
			first = err
		}
	}
	if len(faults) == 0 {
		return spec, first
	}
	return spec, api.Invalid(append(faults, api.AsError(first, api.CodeInternal).Faults...))
}

// model finds the named model, or the default one.
func (c *coordinator) model(name string, runtimes []api.Runtime) (api.Model, error) {
	byName := map[string]api.Model{}
	for _, r := range slices.Backward(runtimes) { // so that the first one stays
		for _, m := range r.Models {
			byName[m.Name] = m
		}
	}
	names := slices.Sorted(maps.Keys(byName))
	if name == "" {
		name = c.config.DefaultModel
	}
	if name == "" && len(names) > 0 {
		name = names[0]
	}
	model, ok := byName[name]
	switch {
	case ok:
		return model, nil
	case len(names) == 0:
		return model, api.Errorf(api.CodeModelNotFound, "model: no model is known yet, want a node to join first")
	default:
		return model, api.Errorf(api.CodeModelNotFound, "model: got %s, want one of %s", api.Quote(name), strings.Join(names, ", "))
	}
}
