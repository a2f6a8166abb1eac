package builtin

import (
	"bytes"
	"context"
	"errors"
	"image"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/easelgrid/easel/runner/builtin/scheduler"
)

// small is a quick request.
func small() Request {
	return Request{Prompt: "a red cat", Width: 64, Height: 64, Steps: 2, GuidanceScale: 3, Scheduler: scheduler.Euler, Seed: 3}
}

func generate(t testing.TB, p *Pipeline, r Request) *image.NRGBA {
	t.Helper()
	picture, err := p.Generate(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func TestSameSeedGivesTheSameBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r := small()
	one := generate(t, open(t, "first"), r)
	p := open(t, "first")
	for _, processors := range []int{1, 2, 3, 8} {
		runtime.GOMAXPROCS(processors)
		if again := generate(t, p, r); !bytes.Equal(one.Pix, again.Pix) {
			t.Errorf("GOMAXPROCS %d gives another picture", processors)
		}
	}
	r.Seed++
	if other := generate(t, p, r); bytes.Equal(one.Pix, other.Pix) {
		t.Error("another seed gives the same picture")
	}
}

func TestGuidanceOfOneIgnoresTheNegativePrompt(t *testing.T) {
	p, r := open(t, "first"), small()
	r.GuidanceScale = 1
	a := generate(t, p, r)
	r.NegativePrompt = "blue dog"
	if !bytes.Equal(a.Pix, generate(t, p, r).Pix) {
		t.Error("the negative prompt changed an unguided picture")
	}
	r.GuidanceScale = 2
	b := generate(t, p, r)
	r.NegativePrompt = ""
	if bytes.Equal(b.Pix, generate(t, p, r).Pix) {
		t.Error("the negative prompt did not change a guided picture")
	}
}

func TestStepsAndPreviewsAreReported(t *testing.T) {
	p, r := open(t, "first"), small()
	r.Steps, r.PreviewEvery, r.Width, r.Height = 5, 2, 128, 80
	plain := r
	plain.PreviewEvery = 0
	want := generate(t, p, plain)
	seen := 0
	got, err := p.Generate(t.Context(), r, func(s Step) error {
		seen++
		if s.Step != seen || s.Steps != 5 {
			t.Errorf("step %d of %d after %d", s.Step, s.Steps, seen)
		}
		if has := s.Preview != nil; has != (s.Step%2 == 0) {
			t.Errorf("step %d has a preview: %v", s.Step, has)
		} else if has && s.Preview.Bounds() != image.Rect(0, 0, 64, 40) {
			t.Errorf("the preview is %v", s.Preview.Bounds())
		}
		return nil
	})
	if err != nil || seen != 5 {
		t.Fatalf("%d steps, %v", seen, err)
	}
	if !bytes.Equal(got.Pix, want.Pix) {
		t.Error("previews changed the picture")
	}
}

// Latents of a long strip are shorter on one side than the squares that a preview averages.
func TestPreviewsOfStrips(t *testing.T) {
	p, r := open(t, "first"), small()
	r.Steps, r.PreviewEvery = 1, 1
	for _, size := range []image.Point{{maxSide, minSide}, {minSide, maxSide}} {
		r.Width, r.Height = size.X, size.Y
		previews := 0
		_, err := p.Generate(t.Context(), r, func(s Step) error {
			if size := s.Preview.Bounds().Size(); size.X < 1 || size.Y < 1 {
				t.Errorf("%d x %d: a preview of %v", r.Width, r.Height, size)
			}
			previews++
			return nil
		})
		if err != nil || previews != 1 {
			t.Errorf("%d x %d: %d previews, %v", r.Width, r.Height, previews, err)
		}
	}
}

func TestErrorOfOnStepEndsTheRun(t *testing.T) {
	full := errors.New("disk full")
	calls := 0
	_, err := open(t, "first").Generate(t.Context(), small(), func(Step) error { calls++; return full })
	if !errors.Is(err, full) || calls != 1 {
		t.Fatalf("%d calls, %v", calls, err)
	}
}

// countdown is a context that is cancelled after its Err has been asked so often.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	c.left--
	if c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestCancelActsInsideOfAStep(t *testing.T) {
	p := open(t, "first")
	want := generate(t, p, small())
	for asked := 0; ; asked++ {
		steps := 0
		ctx := &countdown{t.Context(), asked}
		picture, err := p.Generate(ctx, small(), func(Step) error { steps++; return nil })
		if err == nil {
			if asked < 20 || !bytes.Equal(picture.Pix, want.Pix) {
				t.Fatalf("the context was asked only %d times", asked)
			}
			return
		}
		if !errors.Is(err, context.Canceled) || picture != nil || asked < 8 && steps > 0 {
			t.Fatalf("cancelled when asked %d times: %d steps, %v", asked, steps, err)
		}
	}
}

func TestBadRequestsListEveryFault(t *testing.T) {
	p := open(t, "first")
	bad := Request{Width: 60, Height: 1 << 20, Steps: 1001, GuidanceScale: math.NaN(), Scheduler: "LCM", Seed: 1 << 32, PreviewEvery: -1}
	_, err := p.Generate(t.Context(), bad, nil)
	if err == nil {
		t.Fatal("a bad request was taken")
	}
	for _, want := range []string{"width 60", "height 1048576", "1001 steps", "guidance scale NaN", `"LCM"`, "seed 4294967296", "every -1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Request)
	}{
		{"no size", func(r *Request) { r.Width, r.Height = 0, 0 }},
		{"negative size", func(r *Request) { r.Width = -64 }},
		{"no steps", func(r *Request) { r.Steps = 0 }},
		{"endless guidance", func(r *Request) { r.GuidanceScale = math.Inf(1) }},
		{"no scheduler", func(r *Request) { r.Scheduler = "" }},
		{"negative seed", func(r *Request) { r.Seed = -1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := small()
			c.change(&r)
			if _, err := p.Generate(t.Context(), r, nil); err == nil {
				t.Fatal("a bad request was taken")
			}
		})
	}
}

func TestWhatThePipelineSaysOfItself(t *testing.T) {
	p := open(t, "first")
	if w, h := p.NativeSize(); w != 64 || h != 64 {
		t.Errorf("the native size is %d x %d", w, h)
	}
	if got := p.Schedulers(); len(got) != 18 {
		t.Errorf("there are %d schedulers: %v", len(got), got)
	}
}

func TestLoRAsComeAndGo(t *testing.T) {
	p, r := open(t, "first"), small()
	base := generate(t, p, r)
	peft, kohya := lora(t, "peft.safetensors"), lora(t, "kohya.safetensors")
	set := func(loras ...WeightedLoRA) []byte {
		t.Helper()
		if err := p.SetLoRAs(loras); err != nil {
			t.Fatal(err)
		}
		return generate(t, p, r).Pix
	}
	one := set(WeightedLoRA{peft, 1})
	two := set(WeightedLoRA{peft, 1}, WeightedLoRA{kohya, 0.5})
	if bytes.Equal(one, base.Pix) || bytes.Equal(one, two) {
		t.Error("a LoRA changed nothing")
	}
	for _, c := range []struct {
		name  string
		loras []WeightedLoRA
		want  []byte
	}{
		{"none", nil, base.Pix},
		{"one again", []WeightedLoRA{{peft, 1}}, one},
		{"weight 0", []WeightedLoRA{{peft, 0}, {kohya, 0}}, base.Pix},
		{"one of weight 0", []WeightedLoRA{{peft, 1}, {kohya, 0}}, one},
		{"both again", []WeightedLoRA{{peft, 1}, {kohya, 0.5}}, two},
		{"base", []WeightedLoRA{}, base.Pix},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !bytes.Equal(set(c.loras...), c.want) {
				t.Error("the picture is another one")
			}
		})
	}
}

func TestLoRAsThatDoNotFitChangeNothing(t *testing.T) {
	p, r := open(t, "second"), small()
	base := generate(t, p, r)
	for _, c := range []struct {
		name string
		l    WeightedLoRA
		want string
	}{
		{"peft of another model", WeightedLoRA{lora(t, "peft.safetensors"), 1}, "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"},
		{"kohya of another model", WeightedLoRA{lora(t, "kohya.safetensors"), 0}, "lora_te_text_model_encoder_layers_0_mlp_fc1"},
		{"not a number", WeightedLoRA{lora(t, "peft.safetensors"), math.NaN()}, "NaN"},
		{"none", WeightedLoRA{nil, 1}, "weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := p.SetLoRAs([]WeightedLoRA{c.l})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("the error is %v, want one with %q", err, c.want)
			}
			if !bytes.Equal(generate(t, p, r).Pix, base.Pix) {
				t.Error("the picture changed")
			}
		})
	}
}

func TestOpenedFilesAreNotHeldOpen(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/first")); err != nil {
		t.Fatal(err)
	}
	p, err := Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir + "/unet"); err != nil {
		t.Fatal(err)
	}
	generate(t, p, small())
}

func TestOneLoRAForwardAndBackwardIsNone(t *testing.T) {
	p, r := open(t, "first"), small()
	base := generate(t, p, r)
	l := lora(t, "peft.safetensors")
	if err := p.SetLoRAs([]WeightedLoRA{{l, 1}, {l, -1}}); err != nil {
		t.Fatal(err)
	}
	if again := generate(t, p, r); !bytes.Equal(base.Pix, again.Pix) {
		t.Error("weights 1 and -1 of one LoRA leave something")
	}
}
