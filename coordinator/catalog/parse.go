package catalog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/easelgrid/easel/api"
)

// MaxBytes is the most a catalog file may have.
const MaxBytes = 1 << 20

// maxModels bounds a catalog: it is looked through for every model list.
const maxModels = 10_000

// A Fault is one thing wrong with a file.
type Fault struct {
	Line   int // 0 where no line is to blame
	Reason string
}

// Faults are everything wrong with a file, in the order of lines.
type Faults []Fault

func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, one := range f {
		texts[i] = one.Reason
		if one.Line > 0 {
			texts[i] = fmt.Sprintf("line %d: %s", one.Line, one.Reason)
		}
	}
	return strings.Join(texts, "\n")
}

// The file's shape.
type (
	fileShape struct {
		Default string       `yaml:"default"`
		Models  []modelShape `yaml:"models"`
	}
	modelShape struct {
		Name        string            `yaml:"name"`
		Serves      string            `yaml:"serves"`
		Owner       string            `yaml:"owner"`
		Description string            `yaml:"description"`
		Created     time.Time         `yaml:"created"`
		Aliases     texts             `yaml:"aliases"`
		IDs         map[string]texts  `yaml:"ids"`
		Dialects    texts             `yaml:"dialects"`
		Defaults    defaultsShape     `yaml:"defaults"`
		Limits      limitsShape       `yaml:"limits"`
		LoRAs       map[string]string `yaml:"loras"`
		Native      *sizeShape        `yaml:"native_size"`
		Upscale     bool              `yaml:"upscale"`
	}
	defaultsShape struct {
		Steps          *int     `yaml:"steps"`
		GuidanceScale  *float64 `yaml:"guidance_scale"`
		Scheduler      string   `yaml:"scheduler"`
		Width          int      `yaml:"width"`
		Height         int      `yaml:"height"`
		NegativePrompt string   `yaml:"negative_prompt"`
	}
	limitsShape struct {
		Steps  int `yaml:"max_steps"`
		N      int `yaml:"max_n"`
		Pixels int `yaml:"max_pixels"`
	}
	sizeShape struct {
		Width  int `yaml:"width"`
		Height int `yaml:"height"`
	}
)

// texts are one string or a list of them.
type texts []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *texts) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		var one string
		if err := node.Decode(&one); err != nil {
			return err
		}
		*t = texts{one}
		return nil
	}
	return node.Decode((*[]string)(t))
}

// Parse reads a catalog. Dialects are the names that a file may use. The error is [Faults].
func Parse(file []byte, dialects []string) (*Catalog, error) {
	if len(file) > MaxBytes {
		return nil, Faults{{0, fmt.Sprintf("the file has %d bytes, want at most %d", len(file), MaxBytes)}}
	}
	var root yaml.Node
	if err := yaml.Unmarshal(file, &root); err != nil {
		return nil, syntaxFaults(err)
	}
	var shape fileShape
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	decoder.KnownFields(true)
	if err := decoder.Decode(&shape); err != nil && !errors.Is(err, io.EOF) {
		return nil, syntaxFaults(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, Faults{{0, "the file has a second document after ---, want one"}}
	}
	p := parser{root: &root, dialects: dialects, catalog: &Catalog{byName: map[string]map[string]*Model{}}}
	p.read(shape)
	if len(p.faults) > 0 {
		slices.SortStableFunc(p.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
		return nil, p.faults
	}
	return p.catalog, nil
}

var (
	atLine       = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknownField = regexp.MustCompile(`^field (.*) not found in type .*$`)
	wrongType    = regexp.MustCompile("^cannot unmarshal (!!\\w+)(?: `(.*)`)? into (.*)$")
)

// kinds are Go's types in the words of YAML.
var kinds = map[string]string{
	"int": "a whole number", "float64": "a number", "string": "a text", "bool": "true or false", "time.Time": "a date",
	"[]string": "a text or a list of texts", "[]catalog.modelShape": "a list of models",
}

// syntaxFaults are the decoder's errors without the names of our types.
func syntaxFaults(err error) Faults {
	lines := []string{err.Error()}
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		lines = wrong.Errors
	}
	var faults Faults
	for _, text := range lines {
		f := Fault{Reason: strings.TrimPrefix(text, "yaml: ")}
		if m := atLine.FindStringSubmatch(text); m != nil {
			f.Line, _ = strconv.Atoi(m[1])
			f.Reason = m[2]
		}
		if m := unknownField.FindStringSubmatch(f.Reason); m != nil {
			f.Reason = api.Quote(m[1]) + ": there is no such field"
		} else if m := wrongType.FindStringSubmatch(f.Reason); m != nil {
			f.Reason = fmt.Sprintf("got %s, want %s", cmp.Or(m[2], given[m[1]], m[1]), cmp.Or(kinds[strings.TrimPrefix(m[3], "*")], "fields"))
		}
		faults = append(faults, f)
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return faults
}

// given are the tags of what was found.
var given = map[string]string{"!!map": "fields", "!!seq": "a list", "!!str": "a text", "!!int": "a number", "!!null": "nothing"}
