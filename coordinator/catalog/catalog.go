// Package catalog reads the file of the models that clients see, under which names, with which
// defaults and limits.
package catalog

import (
	"slices"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// defaultOwner is shown for a model whose owner is not named.
const defaultOwner = "easel"

// A Catalog is the content of a file. It does not change.
type Catalog struct {
	// Default is the model of a request that names none.
	Default *Model
	// Models are all of them, in the file's order.
	Models []*Model
	// byName has the names that are common to all dialects under "", those of one dialect under its name.
	byName map[string]map[string]*Model
}

// A Model is one that clients see; a model of the nodes does its work.
type Model struct {
	Name        string
	Serves      string // name of the nodes' model
	Owner       string
	Description string
	Created     time.Time
	Aliases     []string
	IDs         map[string][]string // by dialect: what its clients know the model by, the first is shown
	Dialects    []string            // the only ones that have it; none is all of them
	Defaults    Defaults
	Limits      Limits
	LoRAs       map[string]string // the nodes' names for those that clients know
	Native      Size              // at which the model is at its best; 0 leaves it to the nodes
	Upscale     bool              // sizes it is not good at are made of pictures of the native size
}

// Defaults are for what a request leaves out. What is absent here takes the nodes' defaults.
type Defaults struct {
	Steps          *int
	GuidanceScale  *float64
	Scheduler      string
	Width, Height  int // both or none
	NegativePrompt string
}

// Limits are lower ones than a model has anyway; 0 is none.
type Limits struct {
	Steps  int
	N      int
	Pixels int // of a finished picture
}

// A Size is in pixels.
type Size struct{ Width, Height int }

// Find returns a model by what a dialect's clients call it. The dialect "" is the native API.
func (c *Catalog) Find(dialect, name string) (*Model, bool) {
	if name == "" {
		return c.Default, c.Default != nil && c.Default.in(dialect)
	}
	if m, ok := c.byName[dialect][name]; ok {
		return m, m.in(dialect)
	}
	m, ok := c.byName[""][name]
	return m, ok && m.in(dialect)
}

// Offered are the models that a dialect's clients see.
func (c *Catalog) Offered(dialect string) []*Model {
	var list []*Model
	for _, m := range c.Models {
		if m.in(dialect) {
			list = append(list, m)
		}
	}
	return list
}

func (m *Model) in(dialect string) bool {
	return dialect == "" || len(m.Dialects) == 0 || slices.Contains(m.Dialects, dialect)
}

// ID is what a dialect's clients see the model as.
func (m *Model) ID(dialect string) string {
	if ids := m.IDs[dialect]; len(ids) > 0 {
		return ids[0]
	}
	return m.Name
}

// Others are all other names that it is found by in the dialect.
func (m *Model) Others(dialect string) []string {
	shown := m.ID(dialect)
	var others []string
	for _, name := range slices.Concat(m.IDs[dialect], []string{m.Name}, m.Aliases) {
		if name != shown && !slices.Contains(others, name) {
			others = append(others, name)
		}
	}
	return others
}

// names are all it is found by in the dialect.
func (m *Model) names(dialect string) []string {
	return append([]string{m.ID(dialect)}, m.Others(dialect)...)
}

// Names lists what a dialect's clients can ask for.
func (c *Catalog) Names(dialect string) string {
	var names []string
	for _, m := range c.Offered(dialect) {
		names = append(names, m.ID(dialect))
	}
	if len(names) == 0 {
		return "none (the catalog has no model for this API)"
	}
	return strings.Join(names, ", ")
}

// limited lists what exceeds the limits, of a request that has its defaults filled in.
func (m *Model) limited(r api.JobRequest) []api.Fault {
	var faults []api.Fault
	exceeds := func(field string, n *int, limit int) {
		if n != nil && limit > 0 && *n > limit {
			faults = append(faults, fault(field, *n, limit))
		}
	}
	exceeds("steps", r.Steps, m.Limits.Steps)
	exceeds("n", r.N, m.Limits.N)
	return faults
}

// Identity is the catalog of those who have no file: the nodes' models by their own names, which are sorted.
// The default is the first.
func Identity(names []string) *Catalog {
	c := &Catalog{byName: map[string]map[string]*Model{"": {}}}
	for _, name := range names {
		m := &Model{Name: name, Serves: name, Owner: defaultOwner}
		c.Models = append(c.Models, m)
		c.byName[""][name] = m
	}
	if len(c.Models) > 0 {
		c.Default = c.Models[0]
	}
	return c
}
