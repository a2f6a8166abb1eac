// Package fake is a runtime without a model: its pictures are colour gradients drawn from the seed.
// It makes any machine a node, and it can be ordered to misbehave in every way a real engine does,
// by words in the prompt:
//
//	fake:step=200ms     each step takes this long
//	fake:crash=N        the process ends with status 3 before step N
//	fake:panic=N        a panic before step N
//	fake:hang=N         silence from step N on, but cancel still works
//	fake:ignore-cancel  cancel is ignored
//	fake:flag           the safety checker flags the picture
//	fake:noise          a picture that does not compress
//	fake:oom            an out-of-memory error
//	fake:fail=N         an ordinary failure before step N
package fake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture"
	"github.com/easelgrid/easel/runner"
)

// Options change how the runtime describes itself and how fast it is.
type Options struct {
	Models   []string      // names it serves; "fake" when empty
	StepTime time.Duration // of each step, unless the prompt sets another
}

// Runtime implements runner.Runtime.
type Runtime struct{ options Options }

// New makes a fake runtime.
func New(o Options) *Runtime {
	if len(o.Models) == 0 {
		o.Models = []string{"fake"}
	}
	return &Runtime{options: o}
}

// Describe implements runner.Runtime.
func (r *Runtime) Describe() (api.Runtime, error) {
	info := api.Runtime{
		Name:       "fake",
		Version:    "1",
		Schedulers: []string{"DDIMScheduler", "EulerDiscreteScheduler"},
		Features: []string{
			api.FeatureTxt2Img, api.FeatureImg2Img, api.FeatureInpaint, api.FeatureLoRA, api.FeaturePreview,
			api.FeatureClipSkip, api.FeatureTokenMerging,
		},
		MaxPixels: 1 << 20,
		SizeStep:  8,
	}
	for _, name := range r.options.Models {
		info.Models = append(info.Models, api.Model{
			Name: name, Architecture: "fake", Digest: digest(name),
			Width: 128, Height: 128, Steps: 10, GuidanceScale: 5, Scheduler: "DDIMScheduler",
			LoRAs: []api.Adapter{{Name: "fake-lora", Digest: digest("fake-lora")}}, SafetyChecker: true, ClosedVocabulary: true, TextLayers: 12,
		})
	}
	return info, nil
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Load implements runner.Runtime.
func (r *Runtime) Load(_ context.Context, model string) error {
	info, err := r.Describe()
	if err != nil {
		return err
	}
	if _, ok := info.FindModel(model); !ok {
		return api.Errorf(api.CodeModelNotFound, "model: got %s, want one of %s", api.Quote(model), strings.Join(r.options.Models, ", "))
	}
	return nil
}

// Generate implements runner.Runtime.
func (r *Runtime) Generate(ctx context.Context, spec api.ImageSpec, inputs picture.Inputs, sink runner.Sink) (runner.Made, error) {
	o, err := parseOrders(spec.Prompt)
	if err != nil {
		return runner.Made{}, err
	}
	if o.stepTime == 0 {
		o.stepTime = r.options.StepTime
	}
	started := time.Now()
	for i := range spec.N {
		seed := spec.Seed + int64(i)
		picture := paint(spec, inputs, seed)
		if o.noise {
			picture = static(spec, seed)
		}
		if err := o.sample(ctx, i, spec.EffectiveSteps(), picture, sink); err != nil {
			return runner.Made{}, err
		}
		if err := sink.Image(runner.Finished{Index: i, Seed: seed, Picture: picture, Flagged: o.flag && spec.SafetyCheck}); err != nil {
			return runner.Made{}, err
		}
	}
	took := time.Since(started).Seconds()
	made := runner.Made{
		Scheduler: spec.Scheduler, Steps: spec.EffectiveSteps(), Safety: safety(spec), ModelDigest: digest(spec.Model), Device: "cpu",
		LoRADigests: map[string]string{}, Timings: api.Timings{Sample: took, Total: took},
	}
	for _, l := range spec.LoRAs {
		made.LoRADigests[l.Name] = digest(l.Name)
	}
	return made, nil
}

// safety pretends to have checked: the fake model comes with a fake checker.
func safety(spec api.ImageSpec) api.Safety {
	if spec.SafetyCheck {
		return api.SafetyChecked
	}
	return api.SafetyOff
}
