package catalog

import (
	"bytes"
	"image"
	"image/png"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
)

var served = api.Model{
	Name: "shapes", Width: 128, Height: 128, Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler",
	SchedulerDefaults: map[string]api.SchedulerDefaults{"LCMScheduler": {Steps: 6, GuidanceScale: 1}},
}

func to[T any](v T) *T { return &v }

func png128x64(t *testing.T) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1000, 500))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSizes(t *testing.T) {
	small := &Model{Name: "m", Serves: "shapes", Upscale: true, Native: Size{128, 128}}
	large := &Model{Name: "m", Serves: "shapes", Upscale: true, Native: Size{128, 128}, Defaults: Defaults{Width: 1024, Height: 768}}
	plain := &Model{Name: "m", Serves: "shapes"}
	picture := png128x64(t)
	for _, test := range []struct {
		name           string
		model          *Model
		request        api.JobRequest
		made, finished Size // made 0 is what the request said, finished 0 is none
	}{
		{"the default", small, api.JobRequest{}, Size{128, 128}, Size{}},
		{"the catalog's default", large, api.JobRequest{}, Size{144, 112}, Size{1024, 768}},
		{"native", small, api.JobRequest{Width: to(128), Height: to(128)}, Size{128, 128}, Size{}},
		{"smaller", small, api.JobRequest{Width: to(64), Height: to(128)}, Size{64, 128}, Size{}},
		{"square", small, api.JobRequest{Width: to(1024), Height: to(1024)}, Size{128, 128}, Size{1024, 1024}},
		{"wide", small, api.JobRequest{Width: to(1366), Height: to(768)}, Size{168, 96}, Size{1366, 768}},
		{"tall", small, api.JobRequest{Width: to(768), Height: to(1366)}, Size{96, 168}, Size{768, 1366}},
		{"a strip", small, api.JobRequest{Width: to(4096), Height: to(64)}, Size{256, 64}, Size{4096, 64}},
		{"tiny", small, api.JobRequest{Width: to(1), Height: to(1)}, Size{128, 128}, Size{1, 1}},
		{"of no steps of 8", small, api.JobRequest{Width: to(100), Height: to(100)}, Size{128, 128}, Size{100, 100}},
		{"impossible", small, api.JobRequest{Width: to(5000), Height: to(0)}, Size{5000, 0}, Size{}},
		{"of a picture", small, api.JobRequest{InitImage: picture}, Size{184, 88}, Size{1000, 500}},
		{"of a picture over the limit", &Model{Name: "m", Serves: "shapes", Upscale: true, Limits: Limits{Pixels: 125000}}, api.JobRequest{InitImage: picture}, Size{184, 88}, Size{500, 250}},
		{"of the client's choice", small, api.JobRequest{Width: to(128), Height: to(128), OutputWidth: to(512), OutputHeight: to(512)}, Size{128, 128}, Size{512, 512}},
		{"without upscale", plain, api.JobRequest{Width: to(1024), Height: to(1024)}, Size{1024, 1024}, Size{}},
		{"of a picture without upscale", plain, api.JobRequest{InitImage: picture}, Size{}, Size{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, faults := test.model.Apply(test.request, served, 8)
			value := func(p *int) int {
				if p == nil {
					return 0
				}
				return *p
			}
			made, finished := Size{value(r.Width), value(r.Height)}, Size{value(r.OutputWidth), value(r.OutputHeight)}
			if made != test.made || finished != test.finished || len(faults) != 0 {
				t.Errorf("made %v, finished %v, faults %v; want %v, %v", made, finished, faults, test.made, test.finished)
			}
		})
	}
}

// Whatever size is asked for, the one made is legal, of about the native area and, where the sides
// allow it, of about the shape.
func TestFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.IntRange(1, api.MaxSide)
		asked := Size{side.Draw(t, "width"), side.Draw(t, "height")}
		step := rapid.SampledFrom([]int{8, 16, 64}).Draw(t, "step")
		native := Size{rapid.SampledFrom([]int{128, 512, 1024}).Draw(t, "native"), 512}
		made := fit(asked, native, step)
		for _, s := range []int{made.Width, made.Height} {
			if s < api.MinSide || s > api.MaxSide || s%step != 0 {
				t.Fatalf("%v at %v makes %v", asked, native, made)
			}
		}
		area, shape := float64(native.Width*native.Height), math.Abs(math.Log(float64(asked.Width)/float64(asked.Height)))
		if ratio := float64(made.Width*made.Height) / area; ratio > 1.6 {
			t.Fatalf("%v at %v makes %v, %.2f times the area", asked, native, made, ratio)
		}
		if off := math.Abs(math.Log(float64(made.Width) / float64(made.Height) * float64(asked.Height) / float64(asked.Width))); shape < 0.7 && off > 0.5 {
			t.Fatalf("%v at %v makes %v, of another shape", asked, native, made)
		}
	})
}

func TestDefaultsAndLimits(t *testing.T) {
	m := &Model{
		Name: "m", Serves: "shapes", LoRAs: map[string]string{"contrast fix": "outline"},
		Defaults: Defaults{Steps: to(10), GuidanceScale: to(3.5), Scheduler: "EulerDiscreteScheduler", NegativePrompt: "ugly"},
		Limits:   Limits{Steps: 30, N: 4, Pixels: 1 << 20},
	}
	r, faults := m.Apply(api.JobRequest{Model: "m", LoRAs: []api.LoRA{{Name: "contrast fix", Weight: 1}, {Name: "other"}}}, served, 8)
	if len(faults) != 0 || r.Model != "shapes" || *r.Steps != 10 || *r.GuidanceScale != 3.5 || r.Scheduler != "EulerDiscreteScheduler" ||
		r.NegativePrompt != "ugly" || r.LoRAs[0].Name != "outline" || r.LoRAs[1].Name != "other" {
		t.Errorf("defaults: %+v, %v", r, faults)
	}
	r, _ = m.Apply(api.JobRequest{Scheduler: "LCMScheduler"}, served, 8)
	if r.Steps != nil || r.GuidanceScale != nil {
		t.Errorf("a scheduler with defaults of its own: %+v", r)
	}
	r, _ = m.Apply(api.JobRequest{Steps: to(7), GuidanceScale: to(0.0), NegativePrompt: "x"}, served, 8)
	if *r.Steps != 7 || *r.GuidanceScale != 0 || r.NegativePrompt != "x" {
		t.Errorf("what is said stays: %+v", r)
	}
	_, faults = m.Apply(api.JobRequest{Steps: to(31), N: to(5), Width: to(1032), Height: to(1024)}, served, 8)
	if text := api.Invalid(faults).Error(); len(faults) != 3 || !strings.Contains(text, "steps: got 31, want at most 30") ||
		!strings.Contains(text, "n: got 5") || !strings.Contains(text, "at most 1048576 pixels") {
		t.Errorf("over the limits: %v", faults)
	}
	if _, faults := m.Apply(api.JobRequest{OutputWidth: to(4096), OutputHeight: to(4096)}, served, 8); len(faults) != 1 {
		t.Errorf("a finished size over the limit: %v", faults)
	}
	low := &Model{Name: "m", Serves: "shapes", Limits: Limits{Steps: 8}}
	if r, _ := low.Apply(api.JobRequest{}, served, 8); *r.Steps != 8 {
		t.Errorf("the nodes' default stays over the limit: %d", *r.Steps)
	}
}
