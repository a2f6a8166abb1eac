package builtin

import (
	"context"
	"errors"
	"image"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/model"
	"github.com/easelgrid/easel/picture"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin/matrix"
)

// Options add models and LoRAs of this machine to the shipped ones.
type Options struct {
	// ModelDirs are pipeline directories; a model is named like its directory.
	ModelDirs []string
	// LoRADirs hold safetensors files, offered for every model; a LoRA is named like its file.
	LoRADirs []string
	// VAEDirs hold VAE directories, offered for every model; a VAE is named like its directory.
	VAEDirs []string
}

// maxOpenLoRAs is how many adapters stay in memory, those of one request aside.
const maxOpenLoRAs = 16

// maxPixels of one image. The engine runs on the processor: more would take minutes a step.
const maxPixels = 512 * 512

// A Runtime implements runner.Runtime with the engine of this package.
type Runtime struct {
	info     api.Runtime
	library  []entry
	vaes     []model.VAE
	loaded   string // name of the model in memory
	pipeline *Pipeline
	loras    map[string]*LoRA // opened so far, by digest
	vae      string           // digest of the VAE in the pipeline, "" for its own
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
	vaes, err := model.FindVAEs(o.VAEDirs)
	if err != nil {
		return nil, err
	}
	r := &Runtime{library: library, vaes: vaes, loras: map[string]*LoRA{}, info: api.Runtime{
		Name:       "builtin",
		Version:    "1 (" + matrix.Name() + ")",
		Schedulers: api.SchedulerNames,
		Features: []string{
			api.FeatureTxt2Img, api.FeatureImg2Img, api.FeatureInpaint, api.FeatureInversion, api.FeatureLoRA,
			api.FeaturePreview, api.FeatureClipSkip, api.FeatureTokenMerging, api.FeatureVAE,
		},
		MaxPixels: maxPixels,
		SizeStep:  api.SizeStep,
	}}
	for _, e := range library {
		for _, v := range vaes {
			e.model.VAEs = append(e.model.VAEs, v.Adapter)
		}
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
	r.loaded, r.pipeline, r.vae = "", nil, "" // room for the next one
	pipeline, err := Open(r.library[i].files)
	if err != nil {
		return api.Errorf(api.CodeModelBroken, "model %s: %v", model, err)
	}
	r.loaded, r.pipeline = model, pipeline
	return nil
}

// Generate implements runner.Runtime.
func (r *Runtime) Generate(ctx context.Context, spec api.ImageSpec, inputs picture.Inputs, sink runner.Sink) (runner.Made, error) {
	clock := newStopwatch()
	sink.Progress(api.Progress{Phase: api.PhaseLoading, Steps: spec.Steps})
	if err := r.Load(ctx, spec.Model); err != nil {
		return runner.Made{}, err
	}
	digests, err := r.adapt(spec)
	if err != nil {
		return runner.Made{}, err
	}
	vae, err := r.useVAE(spec)
	if err != nil {
		return runner.Made{}, err
	}
	clock.lap(&clock.times.Load)
	for i := range spec.N {
		picture, err := r.image(ctx, spec, inputs, i, sink, clock)
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
		Scheduler: spec.Scheduler, Steps: spec.EffectiveSteps(), Device: "cpu (" + runtime.GOARCH + ", " + matrix.Name() + ")",
		ModelDigest: model.Digest, LoRADigests: digests, VAEDigest: vae, Safety: safety(spec, model), Timings: clock.stop(),
	}, nil
}

// safety says what became of the spec's safety check. This engine has no checker: a request that asks for
// one gets here only with a model that needs none.
func safety(spec api.ImageSpec, model api.Model) api.Safety {
	if spec.SafetyCheck && model.ClosedVocabulary {
		return api.SafetyClosedVocabulary
	}
	return api.SafetyOff
}

// image makes image i of the spec.
func (r *Runtime) image(ctx context.Context, spec api.ImageSpec, inputs picture.Inputs, i int, sink runner.Sink, clock *stopwatch) (*image.NRGBA, error) {
	report := func(phase api.Phase, step int) {
		sink.Progress(api.Progress{Phase: phase, Image: i, Step: step, Steps: spec.EffectiveSteps()})
	}
	report(api.PhaseEncoding, 0)
	request := Request{
		Prompt: spec.Prompt, NegativePrompt: spec.NegativePrompt, Width: spec.Width, Height: spec.Height,
		Steps: spec.Steps, GuidanceScale: spec.GuidanceScale, Seed: spec.Seed + int64(i),
		Scheduler: spec.Scheduler, SchedulerOptions: spec.SchedulerOptions, ClipSkip: spec.ClipSkip,
		Init: inputs.Init, Mask: inputs.Mask, Strength: spec.Strength, Inversion: spec.Mode == api.ModeInversion,
		TokenMerging: spec.TokenMerging,
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
		return nil, api.AsError(err, api.CodeInvalidRequest)
	}
	return picture, err
}

// useVAE puts the spec's VAE, or the model's own, into the pipeline and returns its digest if it is another.
func (r *Runtime) useVAE(spec api.ImageSpec) (string, error) {
	if spec.VAE == "" {
		r.vae = ""
		return "", r.pipeline.UseVAE(nil)
	}
	i := slices.IndexFunc(r.vaes, func(v model.VAE) bool { return v.Name == spec.VAE })
	if i < 0 {
		return "", r.info.Check(spec)
	}
	v := r.vaes[i]
	if r.vae != v.Digest {
		if err := r.pipeline.UseVAE(v.Files); err != nil {
			if errors.Is(err, errUnfit) { // no other node can help
				return "", api.Errorf(api.CodeInvalidRequest, "vae: got %s, %v", v.Name, err)
			}
			return "", api.Errorf(api.CodeModelBroken, "vae %s: %v", v.Name, err)
		}
		r.vae = v.Digest
	}
	return v.Digest, nil
}

// adapt makes exactly the spec's LoRAs active.
func (r *Runtime) adapt(spec api.ImageSpec) (map[string]string, error) {
	e := r.library[slices.IndexFunc(r.library, func(e entry) bool { return e.model.Name == spec.Model })]
	digests, used := map[string]string{}, map[string]bool{}
	var weighted []WeightedLoRA
	for i, l := range spec.LoRAs {
		at := slices.IndexFunc(e.loras, func(f model.LoRA) bool { return f.Name == l.Name })
		if at < 0 {
			return nil, r.info.Check(spec)
		}
		lora, err := r.open(e.loras[at])
		if err != nil {
			return nil, api.Errorf(api.CodeModelBroken, "loras[%d] %s: %v", i, l.Name, err)
		}
		digests[l.Name] = e.loras[at].Digest
		used[e.loras[at].Digest] = true
		weighted = append(weighted, WeightedLoRA{LoRA: lora, Weight: l.Weight})
	}
	if len(r.loras) > maxOpenLoRAs {
		maps.DeleteFunc(r.loras, func(digest string, _ *LoRA) bool { return !used[digest] })
	}
	if err := r.pipeline.SetLoRAs(weighted); err != nil {
		return nil, api.Errorf(api.CodeLoRAIncompatible, "loras: %v", err)
	}
	return digests, nil
}

func (r *Runtime) open(f model.LoRA) (*LoRA, error) {
	if l, ok := r.loras[f.Digest]; ok {
		return l, nil
	}
	l, err := OpenLoRA(f.Files, f.Path)
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
