package builtin

import (
	"context"
	"image"
	"runtime"
	"slices"

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

// Describe returns what the runtime with only the shipped model can do, without starting one.
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

// safety is the result of the spec's safety check. This engine has no checker: a request that asks for
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
