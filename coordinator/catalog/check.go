package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/easelgrid/easel/api"
)

// parser checks a file's values and collects what is wrong with them.
type parser struct {
	root     *yaml.Node
	dialects []string
	catalog  *Catalog
	faults   Faults
	lines    map[*Model]int
}

func (p *parser) wrong(line int, format string, args ...any) {
	p.faults = append(p.faults, Fault{line, fmt.Sprintf(format, args...)})
}

// line finds the line of what a path of field names and list places leads to; what is not in the file
// has the line of the last that is.
func (p *parser) line(path ...any) int {
	node := p.root
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	line := node.Line
	for _, step := range path {
		node = follow(node)
		next, at := child(node, step)
		if next == nil {
			return line
		}
		node, line = next, at
	}
	return line
}

func follow(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// child returns a value and the line of its name.
func child(node *yaml.Node, step any) (*yaml.Node, int) {
	switch step := step.(type) {
	case int:
		if node.Kind == yaml.SequenceNode && step < len(node.Content) {
			return node.Content[step], node.Content[step].Line
		}
	case string:
		for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1], node.Content[i].Line
			}
		}
	}
	return nil, 0
}

func (p *parser) read(shape fileShape) {
	if len(shape.Models) == 0 {
		p.wrong(p.line("models"), "models: want at least one")
	}
	if len(shape.Models) > maxModels {
		p.wrong(p.line("models"), "models: got %d, want at most %d", len(shape.Models), maxModels)
		return
	}
	p.lines = map[*Model]int{}
	for i, m := range shape.Models {
		model := p.model(i, m)
		p.lines[model] = p.line("models", i)
		p.catalog.Models = append(p.catalog.Models, model)
	}
	p.index()
	if shape.Default == "" {
		if len(p.catalog.Models) > 0 {
			p.catalog.Default = p.catalog.Models[0]
		}
		return
	}
	if p.catalog.Default = p.catalog.byName[""][shape.Default]; p.catalog.Default == nil {
		p.wrong(p.line("default"), "default: got %s, want a name or an alias of a model in this file", api.Quote(shape.Default))
	}
}

// index makes every name of a dialect lead to one model.
func (p *parser) index() {
	for _, dialect := range append([]string{""}, p.dialects...) {
		byName := map[string]*Model{}
		for _, m := range p.catalog.Offered(dialect) {
			for _, name := range m.names(dialect) {
				if other := byName[name]; other != nil {
					p.wrong(p.lines[m], "%s is the name of two models: also of that in line %d", api.Quote(name), p.lines[other])
					continue
				}
				byName[name] = m
			}
		}
		p.catalog.byName[dialect] = byName
	}
	p.faults = slices.Compact(p.faults) // the same clash in several dialects, one after the other
}

func (p *parser) model(i int, s modelShape) *Model {
	m := &Model{
		Name: s.Name, Serves: cmp.Or(s.Serves, s.Name), Owner: cmp.Or(s.Owner, defaultOwner), Description: s.Description,
		Created: s.Created.UTC(), Aliases: s.Aliases, IDs: map[string][]string{}, Dialects: s.Dialects,
		Defaults: Defaults(s.Defaults), Limits: Limits(s.Limits), LoRAs: s.LoRAs, Upscale: s.Upscale,
	}
	if s.Native != nil {
		m.Native = Size(*s.Native)
	}
	at := func(path ...any) int { return p.line(append([]any{"models", i}, path...)...) }
	p.name(at("name"), "name", m.Name)
	if m.Name != "" && !api.PlainName(m.Serves) {
		p.wrong(at("serves"), "serves: got %s, want the name of a node's model: letters, digits, '.', '_' and '-'", api.Quote(m.Serves))
	}
	for field, text := range map[string]string{"owner": s.Owner, "description": s.Description} {
		if len(text) > 500 || strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
			p.wrong(at(field), "%s: want one line of at most 500 bytes", field)
		}
	}
	if y := m.Created.Year(); !s.Created.IsZero() && (y < 1970 || y > 9999) {
		p.wrong(at("created"), "created: want a year from 1970 on")
	}
	for k, alias := range m.Aliases {
		p.name(at("aliases", k), "aliases", alias)
	}
	p.dialectNames(at, m, s)
	p.numbers(at, m)
	for _, name := range slices.Sorted(maps.Keys(m.LoRAs)) {
		if name == "" || len(name) > 128 {
			p.wrong(at("loras", name), "loras: got the name %s, want 1 to 128 bytes", api.Quote(name))
		}
		if !api.PlainName(m.LoRAs[name]) {
			p.wrong(at("loras", name), "loras: got %s, want the name of a node's LoRA: letters, digits, '.', '_' and '-'", api.Quote(m.LoRAs[name]))
		}
	}
	return m
}

func (p *parser) dialectNames(at func(...any) int, m *Model, s modelShape) {
	for k, dialect := range m.Dialects {
		p.dialect(at("dialects", k), "dialects", dialect)
	}
	for _, dialect := range slices.Sorted(maps.Keys(s.IDs)) {
		p.dialect(at("ids", dialect), "ids", dialect)
		for _, id := range s.IDs[dialect] {
			p.name(at("ids", dialect), "ids", id)
		}
		m.IDs[dialect] = s.IDs[dialect]
	}
}

func (p *parser) dialect(line int, field, name string) {
	if !slices.Contains(p.dialects, name) {
		p.wrong(line, "%s: got %s, want one of %s", field, api.Quote(name), strings.Join(p.dialects, ", "))
	}
}

func (p *parser) name(line int, field, name string) {
	switch {
	case strings.TrimSpace(name) == "":
		p.wrong(line, "%s: want a text that is not empty", field)
	case len(name) > 128 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name:
		p.wrong(line, "%s: got %s, want at most 128 bytes, no control characters, no space around it", field, api.Quote(name))
	}
}

func (p *parser) numbers(at func(...any) int, m *Model) {
	between := func(where, field string, n, low, high int) {
		if n < low || n > high {
			p.wrong(at(where, field), "%s.%s: got %d, want %d to %d", where, field, n, low, high)
		}
	}
	d := m.Defaults
	if d.Steps != nil {
		between("defaults", "steps", *d.Steps, 1, api.MaxSteps)
		if most := m.Limits.Steps; most > 0 && *d.Steps > most {
			p.wrong(at("defaults", "steps"), "defaults.steps: got %d, want at most the model's max_steps, which is %d", *d.Steps, most)
		}
	}
	if g := d.GuidanceScale; g != nil && (math.IsNaN(*g) || *g < 0 || *g > api.MaxGuidanceScale) {
		p.wrong(at("defaults", "guidance_scale"), "defaults.guidance_scale: got %g, want 0 to %d", *g, api.MaxGuidanceScale)
	}
	if d.Scheduler != "" && !api.PlainName(d.Scheduler) {
		p.wrong(at("defaults", "scheduler"), "defaults.scheduler: got %s, want the name of a class", api.Quote(d.Scheduler))
	}
	if len(d.NegativePrompt) > api.MaxPromptBytes {
		p.wrong(at("defaults", "negative_prompt"), "defaults.negative_prompt: got %d bytes, want at most %d", len(d.NegativePrompt), api.MaxPromptBytes)
	}
	if d.Width != 0 || d.Height != 0 {
		low := api.MinSide
		if m.Upscale {
			low = 1
		}
		between("defaults", "width", d.Width, low, api.MaxSide)
		between("defaults", "height", d.Height, low, api.MaxSide)
		if most := m.Limits.Pixels; most > 0 && d.Width*d.Height > most {
			p.wrong(at("defaults"), "defaults: %d x %d are %d pixels, want at most the model's max_pixels, which is %d", d.Width, d.Height, d.Width*d.Height, most)
		}
	}
	between("limits", "max_steps", m.Limits.Steps, 0, api.MaxSteps)
	between("limits", "max_n", m.Limits.N, 0, api.MaxImages)
	between("limits", "max_pixels", m.Limits.Pixels, 0, api.MaxSide*api.MaxSide)
	if m.Native != (Size{}) {
		for field, side := range map[string]int{"width": m.Native.Width, "height": m.Native.Height} {
			if side < api.MinSide || side > api.MaxSide || side%api.SizeStep != 0 {
				p.wrong(at("native_size", field), "native_size.%s: got %d, want a multiple of %d from %d to %d", field, side, api.SizeStep, api.MinSide, api.MaxSide)
			}
		}
	}
}
