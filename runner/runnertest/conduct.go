package runnertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
)

func progresses(t *testing.T, s *suite) {
	p := s.start(t)
	sp := s.spec(t, p)
	sp.N = 2
	var seen []string
	_, err := p.Generate(t.Context(), sp, t.TempDir(), 0, runner.Watch{Progress: func(g api.Progress) {
		if g.Phase == api.PhaseSampling && g.Step > 0 {
			seen = append(seen, fmt.Sprintf("%d:%d/%d", g.Image, g.Step, g.Steps))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range sp.N {
		want := fmt.Sprintf("%d:%d/%d", i, sp.Steps, sp.Steps)
		if !slices.Contains(seen, want) {
			t.Errorf("no progress %s in %v", want, seen)
		}
	}
	if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
		t.Errorf("progress does not count up: %v", seen)
	}
}

func previews(t *testing.T, s *suite) {
	p := s.start(t)
	sp := s.spec(t, p)
	sp.Steps = 6
	var got []runner.Preview
	_, err := p.Generate(t.Context(), sp, t.TempDir(), 2, runner.Watch{Preview: func(v runner.Preview) { got = append(got, v) }})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		t.Fatal("no preview")
	}
	for _, v := range got {
		if _, err := jpeg.Decode(bytes.NewReader(v.JPEG)); err != nil || len(v.JPEG) > api.MaxPreview || v.Step%2 != 0 {
			t.Errorf("preview at step %d of %d bytes: %v", v.Step, len(v.JPEG), err)
		}
	}
}

func cancels(t *testing.T, s *suite) {
	p := s.start(t)
	sp := s.spec(t, p)
	sp.Steps, sp.N = api.MaxSteps, api.MaxImages
	ctx, cancel := context.WithCancel(t.Context())
	after := 0
	_, err := p.Generate(ctx, sp, t.TempDir(), 0, runner.Watch{Progress: func(g api.Progress) {
		if ctx.Err() != nil {
			after++
		}
		if g.Step == 1 {
			cancel()
		}
	}})
	wantCode(t, err, api.CodeCanceled)
	if after > 2 {
		t.Errorf("%d steps after the cancel", after)
	}
	s.livesOn(t, p)
}

func receiverFails(t *testing.T, s *suite) {
	p := s.start(t)
	sp := s.spec(t, p)
	sp.N = 2
	refusal := errors.New("no room")
	_, err := p.Generate(t.Context(), sp, t.TempDir(), 0, runner.Watch{Image: func(string, api.Image) error { return refusal }})
	if !errors.Is(err, refusal) {
		t.Errorf("got %v, want the receiver's error", err)
	}
	s.livesOn(t, p)
}

func refuses(t *testing.T, s *suite) {
	p := s.start(t)
	for _, test := range []struct {
		name   string
		spoil  func(*api.ImageSpec)
		code   api.Code
		naming string
	}{
		{"unknown model", func(s *api.ImageSpec) { s.Model = "no-such-model" }, api.CodeModelNotFound, "no-such-model"},
		{"unknown scheduler", func(s *api.ImageSpec) { s.Scheduler = "MagicScheduler" }, api.CodeInvalidRequest, "MagicScheduler"},
		{"unknown LoRA", func(s *api.ImageSpec) { s.LoRAs = []api.LoRA{{Name: "no-such-lora", Weight: 1}} }, api.CodeLoRANotFound, "no-such-lora"},
		{"a path as LoRA", func(s *api.ImageSpec) { s.LoRAs = []api.LoRA{{Name: "../secret", Weight: 1}} }, api.CodeInvalidRequest, "loras[0].name"},
		{"odd width", func(s *api.ImageSpec) { s.Width = 129 }, api.CodeInvalidRequest, "width"},
		{"too many pixels", func(s *api.ImageSpec) { s.Width, s.Height = api.MaxSide, api.MaxSide }, api.CodeInvalidRequest, "pixels"},
		{"no steps", func(s *api.ImageSpec) { s.Steps = 0 }, api.CodeInvalidRequest, "steps"},
		{"10,000 steps", func(s *api.ImageSpec) { s.Steps = 10_000 }, api.CodeInvalidRequest, "steps"},
		{"guidance NaN", func(s *api.ImageSpec) { s.GuidanceScale = math.NaN() }, api.CodeInvalidRequest, "guidance_scale"},
		{"empty prompt", func(s *api.ImageSpec) { s.Prompt = " " }, api.CodeInvalidRequest, "prompt"},
		{"100 kB prompt", func(s *api.ImageSpec) { s.Prompt = strings.Repeat("red ", 25_000) }, api.CodeInvalidRequest, "prompt"},
		{"negative seed", func(s *api.ImageSpec) { s.Seed = -1 }, api.CodeInvalidRequest, "seed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sp := s.spec(t, p)
			test.spoil(&sp)
			_, err := p.Generate(t.Context(), sp, t.TempDir(), 0, runner.Watch{})
			wantCode(t, err, test.code)
			if err != nil && !strings.Contains(err.Error(), test.naming) {
				t.Errorf("error %q does not name %q", err, test.naming)
			}
		})
	}
	wantCode(t, p.Load(t.Context(), "no-such-model"), api.CodeModelNotFound)
	s.livesOn(t, p)
}

func ends(t *testing.T, s *suite) {
	p := s.launch(t)
	p.Stop(t.Context())
	if p.Err() == nil {
		t.Error("no error after the end")
	}
	_, err := p.Generate(t.Context(), s.spec(t, p), t.TempDir(), 0, runner.Watch{})
	wantCode(t, err, api.CodeNodeStopped)
}

func dies(t *testing.T, s *suite) {
	p := s.launch(t)
	sp := s.spec(t, p)
	sp.Steps = api.MaxSteps
	process, err := os.FindProcess(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Generate(t.Context(), sp, t.TempDir(), 0, runner.Watch{Progress: func(g api.Progress) {
		if g.Step == 1 {
			_ = process.Kill()
		}
	}})
	wantCode(t, err, api.CodeRuntimeCrashed)
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Error("the process is not done after its kill")
	}
}
