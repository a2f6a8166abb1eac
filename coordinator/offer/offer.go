// Package offer owns what clients may ask for: the catalog's file, applied to what nodes serve. Without a file the
// catalog is the identity: every model that is served, by its own name.
package offer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/catalog"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/fleet"
)

// Offers are the models that clients can ask for, in every dialect. The native API is the dialect "".
type Offers struct {
	fleet        *fleet.Fleet
	shipped      []api.Runtime
	defaultModel string
	file         *File
	since        time.Time
}

// New makes offers of what a fleet serves and of what is known before any node has joined. DefaultModel is
// for requests that name none where there is no file, which is nil then.
func New(f *fleet.Fleet, shipped []api.Runtime, defaultModel string, file *File) *Offers {
	return &Offers{f, shipped, defaultModel, file, time.Now().UTC().Truncate(time.Second)}
}

// catalog is the one to use now, and since when it is as it is.
func (o *Offers) catalog(s served) (*catalog.Catalog, time.Time) {
	if o.file != nil {
		return o.file.Catalog()
	}
	return catalog.Identity(s.names()), o.since
}

// Models are those that a dialect's clients see.
func (o *Offers) Models(dialectName string) []dialect.Model {
	s := o.served()
	c, since := o.catalog(s)
	list := []dialect.Model{}
	for _, m := range c.Offered(dialectName) {
		if entry, ok := s.byName[m.Serves]; ok {
			list = append(list, Choice{s, m, entry, dialectName, since}.Model())
		}
	}
	return list
}

// Native are the models as the native API lists them.
func (o *Offers) Native() []api.Offer {
	s := o.served()
	c, since := o.catalog(s)
	list := []api.Offer{}
	for _, m := range c.Offered("") {
		entry, ok := s.byName[m.Serves]
		if !ok {
			continue
		}
		if o.file != nil {
			shown := Choice{s, m, entry, "", since}.Model()
			entry.Model, entry.MaxPixels, entry.Serves, entry.Aliases = shown.Model, shown.MaxPixels, m.Serves, shown.Aliases
			entry.Owner, entry.Description = m.Owner, m.Description
		}
		list = append(list, entry)
	}
	return list
}

// A Choice is a model that a request named, as everything was at that moment: the catalog is looked at once
// for a request.
type Choice struct {
	served  served
	model   *catalog.Model
	entry   api.Offer // of the nodes' model that does its work
	dialect string
	since   time.Time
}

// Choose finds a model by a dialect's name for it, an alias or its own name; "" is the default.
func (o *Offers) Choose(dialectName, name string) (Choice, error) {
	s := o.served()
	c, since := o.catalog(s)
	if len(c.Models) == 0 {
		return Choice{}, api.Errorf(api.CodeModelNotFound, "model: no model is known yet, want a node to join first")
	}
	if name == "" && o.file == nil {
		name = o.defaultModel
	}
	m, ok := c.Find(dialectName, name)
	if !ok {
		return Choice{}, api.Errorf(api.CodeModelNotFound, "model: got %s, want one of %s", api.Quote(name), c.Names(dialectName))
	}
	entry, ok := s.byName[m.Serves]
	if !ok {
		return Choice{}, api.Errorf(api.CodeModelNotFound, "model: %s is made by model %s, which no node has", api.Quote(m.ID(dialectName)), m.Serves)
	}
	return Choice{s, m, entry, dialectName, since}, nil
}

// Model is the choice as the dialect's clients see it.
func (c Choice) Model() dialect.Model {
	m, d := c.model, c.model.Defaults
	shown := dialect.Model{
		Model: c.entry.Model, ID: m.ID(c.dialect), Aliases: m.Others(c.dialect), Owner: m.Owner, Description: m.Description,
		Created: m.Created, Schedulers: c.entry.Schedulers, MaxPixels: c.entry.MaxPixels,
	}
	if shown.Created.IsZero() {
		shown.Created = c.since
	}
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
		shown.LoRAs = renamed(m.LoRAs, c.entry.LoRAs)
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

// Plan turns a request for the model into a spec that can be made, or lists what is wrong with it. Random
// is the seed to use when none is given.
func (c Choice) Plan(r api.JobRequest, random int64) (api.ImageSpec, error) {
	r, faults := c.model.Apply(r, c.entry.Model, c.entry.SizeStep)
	return c.served.spec(r, random, faults)
}
