package coordinator

import (
	"cmp"
	"slices"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/catalog"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// offers are the models that a dialect's clients can ask for: what the catalog has, and without one
// what the nodes have. The native API is the dialect "".
func (c *coordinator) offers(name string) []dialect.Model {
	list := []dialect.Model{}
	models := c.models.now()
	if models == nil {
		for _, e := range c.catalog() {
			list = append(list, c.native(e))
		}
		return list
	}
	served := c.servedModels()
	for _, m := range models.Offered(name) {
		if e, ok := served[m.Serves]; ok {
			list = append(list, c.described(m, e, name))
		}
	}
	return list
}

// servedModels are the nodes' models by name.
func (c *coordinator) servedModels() map[string]catalogEntry {
	byName := map[string]catalogEntry{}
	for _, e := range c.catalog() {
		byName[e.Name] = e
	}
	return byName
}

// native is a model that no catalog describes.
func (c *coordinator) native(e catalogEntry) dialect.Model {
	return dialect.Model{
		Model: e.Model, ID: e.Name, Owner: "easel", Created: c.since, Schedulers: e.Schedulers, MaxPixels: e.MaxPixels,
	}
}

// described is a model of the catalog as a dialect's clients see it.
func (c *coordinator) described(m *catalog.Model, e catalogEntry, name string) dialect.Model {
	shown := dialect.Model{
		Model: e.Model, ID: m.ID(name), Aliases: m.Others(name), Owner: m.Owner, Description: m.Description,
		Created: m.Created, Schedulers: e.Schedulers, MaxPixels: e.MaxPixels,
	}
	if shown.Created.IsZero() {
		shown.Created = *c.models.changed.Load()
	}
	d := m.Defaults
	shown.Name = m.Name
	shown.Width, shown.Height = cmp.Or(d.Width, m.Native.Width, shown.Width), cmp.Or(d.Height, m.Native.Height, shown.Height)
	if d.Steps != nil {
		shown.Steps = *d.Steps
	}
	if d.GuidanceScale != nil {
		shown.GuidanceScale = *d.GuidanceScale
	}
	shown.Scheduler = cmp.Or(d.Scheduler, shown.Scheduler)
	if m.Upscale {
		shown.MaxPixels = api.MaxSide * api.MaxSide
	}
	shown.MaxPixels = cmp.Or(m.Limits.Pixels, shown.MaxPixels)
	if len(m.LoRAs) > 0 {
		shown.LoRAs = renamed(m.LoRAs, e.LoRAs)
	}
	return shown
}

// renamed are the nodes' LoRAs under the names that the catalog gives them.
func renamed(names map[string]string, loras []api.Adapter) []api.Adapter {
	var list []api.Adapter
	for _, l := range loras {
		for name, of := range names {
			if of == l.Name {
				list = append(list, api.Adapter{Name: name, Digest: l.Digest})
			}
		}
	}
	slices.SortFunc(list, func(a, b api.Adapter) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// offer is one of them by name; "" is the default.
func (c *coordinator) offer(vendor, name string) (dialect.Model, error) {
	found, err := c.choose(vendor, name)
	if err != nil {
		return dialect.Model{}, err
	}
	return c.shown(found)
}

// An offered model is one as a request found it. A request looks its model up once.
type offered struct {
	vendor, name string         // who asked for it, and by which name
	model        *catalog.Model // nil without a catalog: then the nodes are asked by name
	entry        catalogEntry   // the nodes' model that does its work
}

// choose looks a model up by the dialect's name for it; "" is the default.
func (c *coordinator) choose(vendor, name string) (offered, error) {
	found := offered{vendor: vendor, name: name}
	if c.models.now() == nil {
		return found, nil
	}
	var err error
	found.model, found.entry, err = c.lookUp(vendor, name)
	return found, err
}

// shown is the model as the dialect's clients see it.
func (c *coordinator) shown(found offered) (dialect.Model, error) {
	if found.model != nil {
		return c.described(found.model, found.entry, found.vendor), nil
	}
	model, err := c.model(found.name, c.runtimes(c.nodes.candidates(nil)))
	if err != nil {
		return dialect.Model{}, err
	}
	return c.native(c.servedModels()[model.Name]), nil
}

// lookUp finds a model of the catalog and the nodes' model that does its work.
func (c *coordinator) lookUp(dialect, name string) (*catalog.Model, catalogEntry, error) {
	models := c.models.now()
	m, ok := models.Find(dialect, name)
	if !ok {
		return nil, catalogEntry{}, api.Errorf(api.CodeModelNotFound, "model: got %s, want one of %s", api.Quote(name), models.Names(dialect))
	}
	e, ok := c.servedModels()[m.Serves]
	if !ok {
		return nil, catalogEntry{}, api.Errorf(api.CodeModelNotFound, "model: %s is made by model %s, which no node has", api.Quote(m.ID(dialect)), m.Serves)
	}
	return m, e, nil
}

// plan turns a request in some dialect into a spec that can be made, or lists what is wrong with it.
// Random is the seed to use when none is given.
func (c *coordinator) plan(dialect, model string, r api.JobRequest, random int64) (api.ImageSpec, error) {
	found, err := c.choose(dialect, model)
	if err != nil {
		return api.ImageSpec{}, err
	}
	return c.planFor(found, r, random)
}

func (c *coordinator) planFor(found offered, r api.JobRequest, random int64) (api.ImageSpec, error) {
	if found.model == nil {
		r.Model = found.name
		return c.resolve(r, random)
	}
	r, faults := found.model.Apply(r, found.entry.Model, found.entry.SizeStep)
	return c.resolve(r, random, faults...)
}

// known are the models as the native API lists them.
func (c *coordinator) known() []catalogEntry {
	models := c.models.now()
	if models == nil {
		return c.catalog()
	}
	list, served := []catalogEntry{}, c.servedModels()
	for _, m := range models.Offered("") {
		if e, ok := served[m.Serves]; ok {
			shown := c.described(m, e, "")
			e.Model, e.MaxPixels, e.Serves, e.Aliases, e.Owner, e.Description = shown.Model, shown.MaxPixels, m.Serves, shown.Aliases, m.Owner, m.Description
			list = append(list, e)
		}
	}
	return list
}
