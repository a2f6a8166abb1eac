package builtin

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin/matrix"
)

// Options add models and LoRAs of this machine to the shipped ones.
type Options struct {
	// ModelDirs are pipeline directories; a model is named like its directory.
	ModelDirs []string
	// LoRADirs hold safetensors files, offered for every model; a LoRA is named like its file.
	LoRADirs []string
}

// maxPixels of one image. The engine runs on the processor: more would take minutes a step.
const maxPixels = 512 * 512

// A Runtime implements runner.Runtime with the engine of this package.
type Runtime struct {
	info     api.Runtime
	library  []entry
	loaded   string // name of the model in memory
	pipeline *Pipeline
	loras    map[string]*LoRA // opened so far, by name
}

// Describe says what the runtime with only the shipped model can do, without starting one.
func Describe() (api.Runtime, error) {
	r, err := New(Options{})
	if err != nil {
		return api.Runtime{}, err
	}
	return r.Describe()
}

// New finds the models and LoRAs. It loads none.
func New(o Options) (*Runtime, error) {
	library, err := findModels(o)
	if err != nil {
		return nil, err
	}
	r := &Runtime{library: library, loras: map[string]*LoRA{}, info: api.Runtime{
		Name:       "builtin",
		Version:    "1 (" + matrix.Name() + ")",
		Schedulers: (&Pipeline{}).Schedulers(),
		Features:   []string{"txt2img", "lora", "preview"},
		MaxPixels:  maxPixels,
		SizeStep:   api.SizeStep,
	}}
	for _, e := range library {
		r.info.Models = append(r.info.Models, e.model)
	}
	return r, nil
}

// Describe implements runner.Runtime.
func (r *Runtime) Describe() (api.Runtime, error) { return r.info, nil }

// Load implements runner.Runtime.
func (r *Runtime) Load(_ context.Context, model string) error {
	if r.loaded == model {
		return nil
	}
	i := slices.IndexFunc(r.library, func(e entry) bool { return e.model.Name == model })
	if i < 0 {
		return r.info.Check(api.ImageSpec{Model: model})
	}
	r.loaded, r.pipeline = "", nil // room for the next one
	pipeline, err := Open(r.library[i].files)
	if err != nil {
		return api.Errorf(api.CodeModelBroken, "model %s: %v", model, err)
	}
	r.loaded, r.pipeline = model, pipeline
	return nil
}

// Generate implements runner.Runtime.
func (r *Runtime) Generate(ctx context.Context, spec api.ImageSpec, inputs runner.Inputs, sink runner.Sink) (runner.Made, error) {
	clock := newStopwatch()
	sink.Progress(api.Progress{Phase: api.PhaseLoading, Steps: spec.Steps})
	if err := r.Load(ctx, spec.Model); err != nil {
		return runner.Made{}, err
	}
	digests, err := r.adapt(spec)
	if err != nil {
		return runner.Made{}, err
	}
	clock.lap(&clock.times.Load)
	for i := range spec.N {
		picture, err := r.image(ctx, spec, i, sink, clock)
		if err != nil {
			return runner.Made{}, err
		}
		if err := sink.Image(runner.Finished{Index: i, Seed: spec.Seed + int64(i), Picture: picture}); err != nil {
			return runner.Made{}, err
		}
		clock.lap(&clock.times.Decode)
	}
	model, _ := r.info.FindModel(spec.Model)
	return runner.Made{
		Scheduler: spec.Scheduler, Steps: spec.Steps, Device: "cpu (" + runtime.GOARCH + ", " + matrix.Name() + ")",
		ModelDigest: model.Digest, LoRADigests: digests, Timings: clock.stop(),
	}, nil
}

// image makes image i of the spec.
func (r *Runtime) image(ctx context.Context, spec api.ImageSpec, i int, sink runner.Sink, clock *stopwatch) (*image.NRGBA, error) {
	report := func(phase api.Phase, step int) {
		sink.Progress(api.Progress{Phase: phase, Image: i, Step: step, Steps: spec.Steps})
	}
	report(api.PhaseEncoding, 0)
	request := Request{
		Prompt: spec.Prompt, NegativePrompt: spec.NegativePrompt, Width: spec.Width, Height: spec.Height,
		Steps: spec.Steps, GuidanceScale: spec.GuidanceScale, Scheduler: spec.Scheduler, Seed: spec.Seed + int64(i),
		PreviewEvery: sink.PreviewEvery,
		Encoded:      func() { clock.lap(&clock.times.Encode) },
	}
	picture, err := r.pipeline.Generate(ctx, request, func(s Step) error {
		clock.lap(&clock.times.Sample)
		report(api.PhaseSampling, s.Step)
		if s.Preview != nil {
			sink.Preview(i, s.Step, s.Preview)
		}
		if s.Step == s.Steps {
			report(api.PhaseDecoding, s.Step)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return nil, api.Errorf(api.CodeInvalidRequest, "%v", err)
	}
	return picture, err
}

// adapt makes exactly the spec's LoRAs active.
func (r *Runtime) adapt(spec api.ImageSpec) (map[string]string, error) {
	e := r.library[slices.IndexFunc(r.library, func(e entry) bool { return e.model.Name == spec.Model })]
	digests := map[string]string{}
	var weighted []WeightedLoRA
	for i, l := range spec.LoRAs {
		at := slices.IndexFunc(e.loras, func(f loraFile) bool { return f.Name == l.Name })
		if at < 0 {
			return nil, r.info.Check(spec)
		}
		lora, err := r.open(e.loras[at])
		if err != nil {
			return nil, api.Errorf(api.CodeModelBroken, "loras[%d] %s: %v", i, l.Name, err)
		}
		digests[l.Name] = e.loras[at].Digest
		weighted = append(weighted, WeightedLoRA{LoRA: lora, Weight: l.Weight})
	}
	if err := r.pipeline.SetLoRAs(weighted); err != nil {
		return nil, api.Errorf(api.CodeLoRAIncompatible, "loras: %v", err)
	}
	return digests, nil
}

func (r *Runtime) open(f loraFile) (*LoRA, error) {
	if l, ok := r.loras[f.Digest]; ok {
		return l, nil
	}
	l, err := OpenLoRA(f.files, f.path)
	if err == nil {
		r.loras[f.Digest] = l
	}
	return l, err
}

// stopwatch adds the time since its last lap to one of the phases.
type stopwatch struct {
	started, last time.Time
	times         api.Timings
}

func newStopwatch() *stopwatch {
	now := time.Now()
	return &stopwatch{started: now, last: now}
}

func (s *stopwatch) lap(phase *float64) {
	now := time.Now()
	*phase += now.Sub(s.last).Seconds()
	s.last = now
}

func (s *stopwatch) stop() api.Timings {
	s.times.Total = time.Since(s.started).Seconds()
	return s.times
}

// entry is a model the runtime can load.
type entry struct {
	model api.Model
	files fs.FS
	loras []loraFile
}

// loraFile is an adapter and where it is.
type loraFile struct {
	api.Adapter
	files fs.FS
	path  string
}

// findModels lists the shipped model first, then those of the options.
func findModels(o Options) ([]entry, error) {
	shippedLoRAs, err := findLoRAs(ShippedLoRAs())
	if err != nil {
		return nil, fmt.Errorf("shipped LoRAs: %w", err)
	}
	var local []loraFile
	for _, dir := range o.LoRADirs {
		found, err := findLoRAs(os.DirFS(dir))
		if err != nil {
			return nil, fmt.Errorf("LoRA directory %s: %w", dir, err)
		}
		local = append(local, found...)
	}
	shipped, err := newEntry(ShippedModel, Shipped(), append(shippedLoRAs, local...))
	entries := []entry{shipped}
	for _, dir := range o.ModelDirs {
		e, err2 := newEntry(filepath.Base(filepath.Clean(dir)), os.DirFS(dir), local)
		entries, err = append(entries, e), errors.Join(err, err2)
	}
	return entries, err
}

func newEntry(name string, files fs.FS, loras []loraFile) (entry, error) {
	digest, err := digestTree(files)
	if err != nil {
		return entry{}, fmt.Errorf("model %s: %w", name, err)
	}
	width, height, err := nativeSize(files)
	if err != nil {
		return entry{}, fmt.Errorf("model %s: %w", name, err)
	}
	e := entry{files: files, loras: loras, model: api.Model{
		Name: name, Architecture: "sd1", Digest: digest, Width: width, Height: height,
		Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler", LoRAs: []api.Adapter{},
	}}
	for _, l := range loras {
		e.model.LoRAs = append(e.model.LoRAs, l.Adapter)
	}
	return e, nil
}

func findLoRAs(files fs.FS) ([]loraFile, error) {
	paths, err := fs.Glob(files, "*.safetensors")
	if err != nil {
		return nil, err
	}
	var found []loraFile
	for _, path := range paths {
		name := strings.TrimSuffix(path, ".safetensors")
		if !api.PlainName(name) {
			continue
		}
		digest, err := digestFile(files, path)
		if err != nil {
			return nil, err
		}
		found = append(found, loraFile{api.Adapter{Name: name, Digest: digest}, files, path})
	}
	return found, nil
}
