package catalog

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var known = []string{"openai", "modelslab"}

const example = `
default: flux-dev
models:
  - name: shapes
  - name: flux-dev
    serves: shapes
    owner: somebody
    description: one line
    created: 2024-08-01
    aliases: ["Flux.1 [dev]", flux]
    ids: {openai: [dall-e-3, dall-e-2], modelslab: midjourney}
    dialects: [openai, modelslab]
    defaults: {steps: 10, guidance_scale: 3.5, scheduler: DDIMScheduler, width: 1024, height: 768, negative_prompt: ugly}
    limits: {max_steps: 50, max_n: 4, max_pixels: 1048576}
    loras: {contrast fix: outline}
    native_size: {width: 128, height: 128}
    upscale: true
`

func TestParse(t *testing.T) {
	c, err := Parse([]byte(example), known)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ dialect, name, want string }{
		{"", "", "flux-dev"},
		{"", "shapes", "shapes"},
		{"", "flux", "flux-dev"},
		{"", "dall-e-3", ""},
		{"openai", "dall-e-3", "flux-dev"},
		{"openai", "dall-e-2", "flux-dev"},
		{"openai", "Flux.1 [dev]", "flux-dev"},
		{"openai", "flux-dev", "flux-dev"},
		{"openai", "midjourney", ""},
		{"modelslab", "midjourney", "flux-dev"},
		{"deepfellow", "flux-dev", ""},
		{"deepfellow", "shapes", "shapes"},
		{"deepfellow", "", ""},
	} {
		got := ""
		if m, ok := c.Find(test.dialect, test.name); ok {
			got = m.Name
		}
		if got != test.want {
			t.Errorf("%q in %q is %q, want %q", test.name, test.dialect, got, test.want)
		}
	}
	flux, _ := c.Find("", "flux")
	steps, guidance := 10, 3.5
	want := Defaults{&steps, &guidance, "DDIMScheduler", 1024, 768, "ugly"}
	if d := cmp.Diff(want, flux.Defaults); d != "" {
		t.Error(d)
	}
	if flux.ID("openai") != "dall-e-3" || flux.ID("") != "flux-dev" || flux.Created.Year() != 2024 || flux.Limits != (Limits{50, 4, 1 << 20}) {
		t.Errorf("got %+v", flux)
	}
	if d := cmp.Diff([]string{"dall-e-2", "flux-dev", "Flux.1 [dev]", "flux"}, flux.Others("openai")); d != "" {
		t.Error(d)
	}
	if names := c.Names("deepfellow"); names != "shapes" {
		t.Errorf("names %s", names)
	}
}

func TestWhatIsWrongIsSaidWithItsLine(t *testing.T) {
	for _, test := range []struct {
		name, file string
		want       []string
	}{
		{"nothing", "", []string{"models: want at least one"}},
		{"no YAML", "models: [", []string{"line 1: did not find expected node content"}},
		{"a tab", "models:\n\t- name: x", []string{"line 2: found character that cannot start any token"}},
		{"another shape", "models: shapes", []string{"line 1: got shapes, want a list of models"}},
		{"unknown fields", "modls: []\nmodels:\n  - name: x\n    size: 3\n", []string{`line 1: "modls": there is no such field`, `line 4: "size": there is no such field`}},
		{"wrong types", "models:\n  - name: x\n    upscale: perhaps\n    limits:\n      max_n: many\n", []string{"line 3: got perhaps, want true or false", "line 5: got many, want a whole number"}},
		{"a field twice", "models:\n  - name: x\n    name: y\n", []string{`line 3: mapping key "name" already defined at line 2`}},
		{"no name", "models:\n  - serves: x\n", []string{"line 2: name: want a text that is not empty"}},
		{"no model's name", "models:\n  - name: a/b\n", []string{`line 2: serves: got "a/b", want the name of a node's model`}},
		{"a name twice", "models:\n  - name: a\n  - name: b\n    serves: a\n    aliases: [c, a]\n", []string{`line 3: "a" is the name of two models: also of that in line 2`}},
		{"an id twice", "models:\n  - name: a\n    ids: {openai: x}\n  - name: b\n    ids: {openai: x}\n", []string{`line 4: "x" is the name of two models: also of that in line 2`}},
		{"unknown dialect", "models:\n  - name: a\n    ids:\n      opneai: x\n    dialects: google\n", []string{`line 4: ids: got "opneai", want one of openai, modelslab`, `line 5: dialects: got "google"`}},
		{"default of nothing", "default: x\nmodels:\n  - name: a\n", []string{`line 1: default: got "x"`}},
		{"numbers", "models:\n  - name: a\n    defaults:\n      steps: 60\n      guidance_scale: .nan\n      width: 32\n    limits:\n      max_steps: 50\n      max_n: 11\n    native_size: {width: 100, height: 128}\n", []string{
			"line 4: defaults.steps: got 60, want at most the model's max_steps, which is 50", "line 5: defaults.guidance_scale: got NaN",
			"line 6: defaults.width: got 32, want 64 to 4096", "defaults.height: got 0", "line 9: limits.max_n: got 11, want 0 to 10", "line 10: native_size.width: got 100, want a multiple of 8",
		}},
		{"LoRA as a path", "models:\n  - name: a\n    loras:\n      x: ../y\n", []string{`line 4: loras: got "../y"`}},
		{"two documents", "models: [{name: a}]\n---\nmodels: []\n", []string{"second document"}},
		{"too large", strings.Repeat("#", MaxBytes+1), []string{"want at most 1048576"}},
		{"too many", "models: [" + strings.Repeat("{},", maxModels+1) + "]", []string{"got 10001, want at most 10000"}},
		{"control characters", "models:\n  - name: \"a\\nb\"\n    serves: a\n    description: \"\\x07\"\n", []string{"line 2: name: got", "line 4: description: want one line"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.file), known)
			faults, ok := errors.AsType[Faults](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in\n%s", want, err)
				}
			}
			if len(faults) != len(test.want) {
				t.Errorf("%d faults, want %d:\n%s", len(faults), len(test.want), err)
			}
		})
	}
}

// Whatever a file holds, it is a catalog that is consistent or an error with reasons.
func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("models: &m [{name: a, aliases: [*m]}]"))
	f.Add([]byte("models: [{name: !!binary YQ==, created: 2024-01-01T00:00:00Z}]"))
	if demo, err := os.ReadFile("../../docs/examples/catalog-demo.yaml"); err == nil {
		f.Add(demo)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := Parse(file, known)
		if err != nil {
			if faults, ok := errors.AsType[Faults](err); !ok || len(faults) == 0 || err.Error() == "" {
				t.Fatalf("%q gives %v", file, err)
			}
			return
		}
		for _, dialect := range append(known, "") {
			for _, m := range c.Offered(dialect) {
				for _, name := range m.names(dialect) {
					if found, ok := c.Find(dialect, name); !ok || found != m {
						t.Fatalf("%q: %q leads from %s elsewhere", file, name, m.Name)
					}
				}
			}
		}
		if c.Default == nil {
			t.Fatalf("%q has no default", file)
		}
	})
}
