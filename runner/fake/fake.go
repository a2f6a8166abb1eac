// Package fake is a runtime without a model: its pictures are colour gradients drawn from the seed.
// It makes any machine a node, and it can be ordered to misbehave in every way a real engine does,
// by words in the prompt:
//
//	fake:step=200ms     each step takes this long
//	fake:crash=N        the process ends with status 3 before step N
//	fake:panic=N        a panic before step N
//	fake:hang=N         silence from step N on, but cancel still works
//	fake:ignore-cancel  cancel is ignored
//	fake:flag           the safety checker objects
//	fake:noise          a picture that does not compress
//	fake:oom            an out-of-memory error
//	fake:fail=N         an ordinary failure before step N
package fake

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture"
	"github.com/easelgrid/easel/runner"
)

// Options change what the runtime says of itself and how fast it is.
type Options struct {
	Models   []string      // names it serves; "fake" when empty
	StepTime time.Duration // of each step, unless the prompt says otherwise
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

// orders are the misbehaviours a prompt asks for; steps count from 1, 0 means never.
type orders struct {
	stepTime                  time.Duration
	crash, panics, hang, fail int
	ignoreCancel, oom         bool
	flag, noise               bool
}

func parseOrders(prompt string) (orders, error) {
	var o orders
	for _, word := range strings.Fields(prompt) {
		order, ok := strings.CutPrefix(word, "fake:")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(order, "=")
		var err error
		switch name {
		case "step":
			o.stepTime, err = time.ParseDuration(value)
		case "crash":
			o.crash, err = strconv.Atoi(value)
		case "panic":
			o.panics, err = strconv.Atoi(value)
		case "hang":
			o.hang, err = strconv.Atoi(value)
		case "fail":
			o.fail, err = strconv.Atoi(value)
		case "ignore-cancel":
			o.ignoreCancel = true
		case "oom":
			o.oom = true
		case "flag":
			o.flag = true
		case "noise":
			o.noise = true
		default:
			err = fmt.Errorf("unknown order")
		}
		if err != nil {
			return orders{}, api.Errorf(api.CodeInvalidRequest, "prompt: fake runtime: %s: %v", api.Quote(word), err)
		}
	}
	return o, nil
}

// sample pretends to denoise: it waits, obeys the orders and reports.
func (o orders) sample(ctx context.Context, index, steps int, picture image.Image, sink runner.Sink) error {
	if o.oom {
		return api.Errorf(api.CodeOutOfMemory, "out of memory: the fake device has none")
	}
	if o.ignoreCancel {
		ctx = context.WithoutCancel(ctx)
	}
	for step := 1; step <= steps; step++ {
		if err := o.misbehave(ctx, step); err != nil {
			return err
		}
		if err := wait(ctx, o.stepTime); err != nil {
			return err
		}
		sink.Progress(api.Progress{Phase: api.PhaseSampling, Image: index, Step: step, Steps: steps})
		sink.Preview(index, step, picture)
	}
	return nil
}

func (o orders) misbehave(ctx context.Context, step int) error {
	switch step {
	case o.crash:
		fmt.Fprintln(os.Stderr, "fake: ordered to crash")
		os.Exit(3)
	case o.panics:
		panic("fake: ordered to panic")
	case o.fail:
		return api.Errorf(api.CodeRuntimeFailed, "fake: ordered to fail")
	case o.hang:
		<-ctx.Done() // never, when cancel is ignored
	}
	return nil
}

// safety pretends to have checked: the fake model comes with a fake checker.
func safety(spec api.ImageSpec) api.Safety {
	if spec.SafetyCheck {
		return api.SafetyChecked
	}
	return api.SafetyOff
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// static is a picture of random pixels, which is as large in a file as in memory.
func static(spec api.ImageSpec, seed int64) image.Image {
	picture := image.NewNRGBA(image.Rect(0, 0, spec.Width, spec.Height))
	random := rand.NewChaCha8([32]byte(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(seed))))
	_, _ = random.Read(picture.Pix) // it never fails
	for i := 3; i < len(picture.Pix); i += 4 {
		picture.Pix[i] = 255
	}
	return picture
}

// paint draws a gradient whose colours follow from the seed, the prompt and the adapters.
func paint(spec api.ImageSpec, inputs picture.Inputs, seed int64) image.Image {
	key := fmt.Sprintf("%d %q %q %s %d %g", seed, spec.Prompt, spec.NegativePrompt, spec.Scheduler, spec.Steps, spec.GuidanceScale)
	for _, l := range spec.LoRAs {
		if l.Weight != 0 {
			key += fmt.Sprintf(" %s:%g", l.Name, l.Weight)
		}
	}
	if inputs.Init != nil {
		key += fmt.Sprintf(" %x %g %s", sha256.Sum256(inputs.Init.Pix), spec.Strength, spec.Mode)
	}
	h := sha256.Sum256([]byte(key))
	picture := image.NewNRGBA(image.Rect(0, 0, spec.Width, spec.Height))
	for y := range spec.Height {
		for x := range spec.Width {
			fx, fy := float64(x)/float64(spec.Width), float64(y)/float64(spec.Height)
			shade := func(i int) uint8 {
				a := float64(h[i])/40*fx + float64(h[i+8])/40*fy + float64(h[i+16])
				return uint8(127.5 + 127.5*math.Sin(a))
			}
			picture.SetNRGBA(x, y, color.NRGBA{shade(0), shade(1), shade(2), 255})
		}
	}
	return picture
}
