package coordinator

import (
	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// offers are the models that a dialect's clients can ask for.
func (c *coordinator) offers(string) []dialect.Model {
	list := []dialect.Model{}
	for _, e := range c.catalog() {
		list = append(list, c.native(e))
	}
	return list
}

// native is a model that no catalog describes.
func (c *coordinator) native(e catalogEntry) dialect.Model {
	return dialect.Model{
		Model: e.Model, ID: e.Name, Owner: "easel", Created: c.since, Schedulers: e.Schedulers, MaxPixels: e.MaxPixels,
	}
}

// offer is one of them by name; "" is the default.
func (c *coordinator) offer(_, name string) (dialect.Model, error) {
	model, err := c.model(name, c.runtimes(c.nodes.candidates(nil)))
	if err != nil {
		return dialect.Model{}, err
	}
	for _, e := range c.catalog() {
		if e.Name == model.Name {
			return c.native(e), nil
		}
	}
	return dialect.Model{}, api.Errorf(api.CodeModelNotFound, "model: %s is no longer there", api.Quote(name))
}

// plan turns a request in some dialect into a spec that can be made.
func (c *coordinator) plan(_, model string, r api.JobRequest, random int64) (api.ImageSpec, error) {
	r.Model = model
	return c.resolve(r, random)
}
