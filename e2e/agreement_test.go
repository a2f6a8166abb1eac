package e2e

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/diffusers"
	"github.com/easelgrid/easel/runner/runnertest"
)

// maxDifference is the mean absolute difference of two runtimes' pixels that counts as agreement, in
// levels of 0 to 255.
const maxDifference = 1.0

// TestRuntimesAgree asks both engines for the same pictures: the same noise has to give the same
// pixels, whatever is asked.
func TestRuntimesAgree(t *testing.T) {
	python := os.Getenv("EASEL_PYTHON")
	if python == "" && os.Getenv("CI") == "true" {
		t.Fatal("EASEL_PYTHON names no Python with diffusers: see scripts/python")
	}
	if python == "" {
		t.Skip("not checked: EASEL_PYTHON names no Python with diffusers, see scripts/python")
	}
	worker, err := diffusers.Command(diffusers.Options{
		Python: python, Data: t.TempDir(), Device: "cpu", DType: "float32", Threads: 1,
		Shipped: []diffusers.Shipped{{Name: builtin.ShippedModel, Files: builtin.Shipped(), LoRAs: builtin.ShippedLoRAs()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ours := startRuntime(t, binary, "runtime", "serve", "builtin")
	theirs := startRuntime(t, worker...)
	worst, compared := 0.0, 0
	for _, c := range agreements() {
		t.Run(c.name, func(t *testing.T) {
			a, b := c.make(t, ours), c.make(t, theirs)
			d := difference(a, b)
			t.Logf("mean difference %.4f levels", d)
			worst, compared = max(worst, d), compared+1
			if d > maxDifference {
				t.Errorf("the runtimes differ by %.2f levels in the mean, want at most %g", d, maxDifference)
			}
		})
	}
	t.Logf("%d requests, at most %.4f levels apart in the mean", compared, worst)
	if compared < 30 {
		t.Errorf("%d requests were compared, want at least 30", compared)
	}
}

func startRuntime(t *testing.T, command ...string) *runner.Process {
	t.Helper()
	p, err := runner.Start(t.Context(), runner.Options{Command: command})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(t.Context()) })
	return p
}

// agreement is a request both runtimes are asked.
type agreement struct {
	name       string
	edit       func(*api.JobRequest)
	init, mask bool
}

func agreements() []agreement {
	var all []agreement
	// Those that make no text-to-image pictures in diffusers have no counterpart there.
	alone := []string{"DDIMInverseScheduler", "IPNDMScheduler", "KarrasVeScheduler", "ScoreSdeVeScheduler"}
	for _, name := range api.SchedulerNames {
		if slices.Contains(alone, name) {
			continue
		}
		all = append(all, agreement{name: name, edit: func(r *api.JobRequest) { r.Scheduler = name }})
	}
	options := func(scheduler string, o api.SchedulerOptions) func(*api.JobRequest) {
		return func(r *api.JobRequest) { r.Scheduler, r.SchedulerOptions = scheduler, o }
	}
	eta, guidance, none, strength := 0.7, 2.0, 1.0, 0.6
	skip, merging := 1, 0.5
	return append(all,
		agreement{name: "karras", edit: options("EulerDiscreteScheduler", api.SchedulerOptions{SigmaSchedule: "karras"})},
		agreement{name: "exponential", edit: options("UniPCMultistepScheduler", api.SchedulerOptions{SigmaSchedule: "exponential"})},
		agreement{name: "beta", edit: options("HeunDiscreteScheduler", api.SchedulerOptions{SigmaSchedule: "beta"})},
		agreement{name: "sde", edit: options("DPMSolverMultistepScheduler", api.SchedulerOptions{Algorithm: "sde-dpmsolver++", SolverOrder: 2})},
		agreement{name: "trailing", edit: options("DDIMScheduler", api.SchedulerOptions{Spacing: "trailing"})},
		agreement{name: "eta", edit: options("DDIMScheduler", api.SchedulerOptions{Eta: &eta})},
		agreement{name: "zero SNR", edit: options("EulerDiscreteScheduler", api.SchedulerOptions{RescaleZeroSNR: true, Spacing: "trailing"})},
		agreement{name: "little guidance", edit: func(r *api.JobRequest) { r.GuidanceScale = &guidance }},
		agreement{name: "no guidance", edit: func(r *api.JobRequest) { r.GuidanceScale = &none }},
		agreement{name: "negative prompt", edit: func(r *api.JobRequest) { r.NegativePrompt = "a blue square on a white background" }},
		agreement{name: "LoRA", edit: func(r *api.JobRequest) { r.LoRAs = []api.LoRA{{Name: "outline", Weight: 1}} }},
		agreement{name: "two LoRAs, one backwards", edit: func(r *api.JobRequest) {
			r.LoRAs = []api.LoRA{{Name: "outline", Weight: -0.7}, {Name: "lcm", Weight: 0.3}}
		}},
		agreement{name: "clip skip", edit: func(r *api.JobRequest) { r.ClipSkip = &skip }},
		agreement{name: "weighted words", edit: func(r *api.JobRequest) { r.Prompt = "a (red:1.2) circle on a [blue] background" }},
		agreement{name: "token merging", edit: func(r *api.JobRequest) { r.TokenMerging = &merging }},
		agreement{name: "another size", edit: func(r *api.JobRequest) { w, h := 96, 160; r.Width, r.Height = &w, &h }},
		agreement{name: "img2img", init: true, edit: func(r *api.JobRequest) { r.Strength = &strength }},
		agreement{name: "img2img ancestral", init: true, edit: func(r *api.JobRequest) { r.Scheduler = "EulerAncestralDiscreteScheduler" }},
		agreement{name: "img2img second order", init: true, edit: func(r *api.JobRequest) { r.Scheduler = "HeunDiscreteScheduler" }},
		agreement{name: "img2img PNDM", init: true, edit: func(r *api.JobRequest) { r.Scheduler = "PNDMScheduler" }},
		agreement{name: "inpainting", init: true, mask: true, edit: func(*api.JobRequest) {}},
		agreement{name: "inpainting with strength", init: true, mask: true, edit: func(r *api.JobRequest) { r.Strength = &strength }},
		agreement{name: "inpainting with a LoRA", init: true, mask: true, edit: func(r *api.JobRequest) {
			r.LoRAs, r.Scheduler = []api.LoRA{{Name: "outline", Weight: 0.8}}, "EulerDiscreteScheduler"
		}},
	)
}

func (c agreement) make(t *testing.T, p *runner.Process) image.Image {
	t.Helper()
	seed, steps := int64(11), 8
	r := api.JobRequest{Prompt: "a red circle on a blue background", Seed: &seed, Steps: &steps}
	c.edit(&r)
	spec, faults := r.Spec(p.Runtime().Models[0], 0)
	dir := t.TempDir()
	if c.init {
		spec.InitImage = runnertest.Input(t, dir, striped(128))
		if faults = nil; spec.Strength == 0 {
			spec.Strength = 0.8
		}
	}
	if c.mask {
		mask := image.NewGray(image.Rect(0, 0, 128, 128))
		draw.Draw(mask, image.Rect(30, 22, 100, 90), image.White, image.Point{}, draw.Src)
		spec.MaskImage = runnertest.Input(t, dir, mask)
		if r.Strength == nil {
			spec.Strength = 1
		}
	}
	if err := api.Invalid(faults); err != nil {
		t.Fatal(err)
	}
	var picture image.Image
	_, err := p.Generate(t.Context(), spec, dir, 0, runner.Watch{Image: func(path string, _ api.Image) error {
		f, err := os.Open(filepath.Clean(path))
		if err != nil {
			return err
		}
		defer f.Close()
		picture, err = png.Decode(f)
		return err
	}})
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", p.Runtime().Name, err))
	}
	return picture
}

// difference is the mean absolute difference of the colours, in levels.
func difference(a, b image.Image) float64 {
	if a.Bounds() != b.Bounds() {
		return 255
	}
	sum, size := 0, a.Bounds().Size()
	for y := range size.Y {
		for x := range size.X {
			p, q := color.NRGBAModel.Convert(a.At(x, y)).(color.NRGBA), color.NRGBAModel.Convert(b.At(x, y)).(color.NRGBA)
			for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B)} {
				sum += max(d, -d)
			}
		}
	}
	return float64(sum) / float64(3*size.X*size.Y)
}
