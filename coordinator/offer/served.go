package offer

import (
	"maps"
	"slices"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/fleet"
)

// served is what can be made at one moment: everything known that makes pictures, and its models. Nodes
// that are away count: a job for them waits.
type served struct {
	runtimes []api.Runtime
	byName   map[string]api.Offer // described by the first runtime that has the model
}

// served looks at what is shipped, then at what nodes have.
func (o *Offers) served() served {
	candidates := o.fleet.Candidates(nil)
	s := served{slices.Clone(o.shipped), map[string]api.Offer{}}
	for _, c := range candidates {
		if !c.Revoked {
			s.runtimes = append(s.runtimes, c.Runtimes...)
		}
	}
	for _, r := range s.runtimes {
		for _, m := range r.Models {
			if _, known := s.byName[m.Name]; !known {
				s.byName[m.Name] = api.Offer{Model: m, Schedulers: r.Schedulers, MaxPixels: r.MaxPixels, SizeStep: r.SizeStep}
			}
		}
	}
	for _, c := range candidates {
		for name := range models(c) {
			entry := s.byName[name]
			entry.Nodes++
			s.byName[name] = entry
		}
	}
	return s
}

// models are those that a node serves now.
func models(c fleet.Candidate) map[string]bool {
	names := map[string]bool{}
	if !c.Connected || c.Revoked {
		return names
	}
	for _, r := range c.Runtimes {
		for _, m := range r.Models {
			names[m.Name] = true
		}
	}
	return names
}

func (s served) names() []string { return slices.Sorted(maps.Keys(s.byName)) }

// spec turns a request into a spec that at least one runtime can make, or lists what is wrong with it,
// together with what was found before. Random is the seed to use when none is given.
func (s served) spec(request api.JobRequest, random int64, earlier []api.Fault) (api.ImageSpec, error) {
	model := s.byName[request.Model].Model
	spec, faults := request.Spec(model, random)
	faults = append(earlier, faults...)
	var first error
	for _, r := range s.runtimes {
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
