// Package runnertest is the contract of a runtime as a test suite. Every runtime passes it, as a
// real subprocess behind a real [runner.Process]: in Go through [Main], in any other language by
// naming its command.
package runnertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
)

// envChild makes a test binary serve its runtime instead of running its tests.
const envChild = "EASEL_RUNNERTEST_CHILD"

// Main is the TestMain of a runtime written in Go: the test binary is also the child.
func Main(m *testing.M, runtime func() (runner.Runtime, error)) {
	if os.Getenv(envChild) == "" {
		os.Exit(m.Run())
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	rt, err := runtime()
	if err == nil {
		err = runner.Serve(rt, os.Stdin, os.Stdout, log)
	}
	if err != nil {
		log.Error("child ended", "error", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Child returns the options that start this test binary as its runtime.
func Child(t testing.TB) runner.Options {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A binary built with -race would sleep for a second at its end.
	env := []string{envChild + "=1", "GORACE=atexit_sleep_ms=0"}
	return runner.Options{Command: []string{binary}, Env: env, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// Run checks the runtime that options start. It takes the first model it names, at few steps.
func Run(t *testing.T, options runner.Options) {
	s := &suite{options: options}
	for _, test := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"describes itself", describes},
		{"makes the images that were asked for", makes},
		{"same seed gives the same file in another process", repeats},
		{"image i of a batch is the image of seed+i", batches},
		{"a LoRA of weight 0 changes nothing and leaves no trace", adapts},
		{"progress counts up to the end", progresses},
		{"previews are small JPEG pictures", previews},
		{"cancel ends the job within a step and the runtime lives on", cancels},
		{"a failing receiver ends the job and the runtime lives on", receiverFails},
		{"bad requests give one clear error and the runtime lives on", refuses},
		{"end of input ends the process", ends},
		{"a kill is reported as a crash", dies},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

type suite struct{ options runner.Options }

// start starts a process that the test stops.
func (s *suite) start(t *testing.T) *runner.Process {
	t.Helper()
	p, err := runner.Start(t.Context(), s.options)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() { p.Stop(context.Background()) })
	return p
}

// spec is a small request for the process's first model.
func spec(t *testing.T, p *runner.Process) api.ImageSpec {
	t.Helper()
	info := p.Runtime()
	if len(info.Models) == 0 {
		t.Fatal("the runtime has no model")
	}
	steps := 3
	s, faults := api.JobRequest{Prompt: "a red circle on a blue background", Steps: &steps}.Spec(info.Models[0], 7)
	if len(faults) > 0 {
		t.Fatalf("the model's defaults are faulty: %v", faults)
	}
	return s
}

type file struct {
	api.Image
	body []byte
}

// generate makes the images and reads the files at the moment they are reported.
func generate(t *testing.T, p *runner.Process, s api.ImageSpec) ([]file, runner.Made) {
	t.Helper()
	files, made, err := tryGenerate(t, p, s)
	if err != nil {
		t.Fatalf("generate: %v", err)
	}
	return files, made
}

func tryGenerate(t *testing.T, p *runner.Process, s api.ImageSpec) ([]file, runner.Made, error) {
	t.Helper()
	if err := p.Load(t.Context(), s.Model); err != nil {
		t.Fatalf("load: %v", err)
	}
	var files []file
	made, err := p.Generate(t.Context(), s, t.TempDir(), 0, runner.Watch{Image: func(path string, i api.Image) error {
		body, err := os.ReadFile(path)
		files = append(files, file{i, body})
		return err
	}})
	return files, made, err
}

func describes(t *testing.T, s *suite) {
	info := s.start(t).Runtime()
	if info.Name == "" || info.Version == "" || info.MaxPixels <= 0 || info.SizeStep <= 0 || len(info.Schedulers) == 0 {
		t.Errorf("incomplete description: %+v", info)
	}
	for _, m := range info.Models {
		if len(m.Digest) != 64 || m.Architecture == "" {
			t.Errorf("model %s: digest %q, architecture %q", m.Name, m.Digest, m.Architecture)
		}
		sp, faults := api.JobRequest{Prompt: "x"}.Spec(m, 0)
		if err := errors.Join(api.Invalid(faults), info.Check(sp)); err != nil {
			t.Errorf("model %s cannot do its own defaults: %v", m.Name, err)
		}
	}
}

func makes(t *testing.T, s *suite) {
	p := s.start(t)
	for _, scheduler := range p.Runtime().Schedulers {
		t.Run(scheduler, func(t *testing.T) {
			sp := spec(t, p)
			sp.N, sp.Width, sp.Height, sp.Scheduler = 2, 96, 64, scheduler
			files, made := generate(t, p, sp)
			if len(files) != 2 {
				t.Fatalf("%d images, want 2", len(files))
			}
			for i, f := range files {
				checkFile(t, f, i, sp)
			}
			if made.Scheduler == "" || made.Steps <= 0 || made.ModelDigest != p.Runtime().Models[0].Digest || made.Device == "" || made.Timings.Total <= 0 {
				t.Errorf("incomplete account: %+v", made)
			}
		})
	}
}

func checkFile(t *testing.T, f file, index int, sp api.ImageSpec) {
	t.Helper()
	sum := sha256.Sum256(f.body)
	if f.SHA256 != hex.EncodeToString(sum[:]) || f.Bytes != int64(len(f.body)) || f.Type != "image/png" {
		t.Errorf("image %d: digest, size or type do not fit the file: %+v", index, f.Image)
	}
	if f.Index != index || f.Seed != sp.Seed+int64(index) || f.Width != sp.Width || f.Height != sp.Height {
		t.Errorf("image %d: %+v, want seed %d and %dx%d", index, f.Image, sp.Seed+int64(index), sp.Width, sp.Height)
	}
	picture, err := png.Decode(bytes.NewReader(f.body))
	if err != nil {
		t.Fatalf("image %d: %v", index, err)
	}
	if size := picture.Bounds().Size(); size != image.Pt(sp.Width, sp.Height) {
		t.Errorf("image %d: picture of %v", index, size)
	}
	if !bytes.Contains(f.body, []byte(sp.Prompt)) {
		t.Errorf("image %d: no prompt in its text chunks", index)
	}
}

func repeats(t *testing.T, s *suite) {
	first, second := s.start(t), s.start(t)
	sp := spec(t, first)
	a, _ := generate(t, first, sp)
	b, _ := generate(t, second, sp)
	again, _ := generate(t, first, sp)
	if a[0].SHA256 != b[0].SHA256 || a[0].SHA256 != again[0].SHA256 {
		t.Errorf("three digests of one request: %s, %s, %s", a[0].SHA256, b[0].SHA256, again[0].SHA256)
	}
	sp.Seed++
	if c, _ := generate(t, first, sp); samePixels(t, a[0], c[0]) {
		t.Error("another seed gave the same picture")
	}
}

func batches(t *testing.T, s *suite) {
	p := s.start(t)
	sp := spec(t, p)
	sp.N = 2
	both, _ := generate(t, p, sp)
	sp.N, sp.Seed = 1, sp.Seed+1
	second, _ := generate(t, p, sp)
	if !samePixels(t, both[1], second[0]) {
		t.Error("image 1 of seed s is not image 0 of seed s+1")
	}
}

func adapts(t *testing.T, s *suite) {
	p := s.start(t)
	sp := spec(t, p)
	adapters := p.Runtime().Models[0].LoRAs
	if !slices.Contains(p.Runtime().Features, "lora") || len(adapters) == 0 {
		t.Log("the runtime offers no LoRA for this model: nothing to check")
		return
	}
	base, _ := generate(t, p, sp)
	sp.LoRAs = []api.LoRA{{Name: adapters[0].Name, Weight: 0}}
	zero, _ := generate(t, p, sp)
	sp.LoRAs[0].Weight = 1
	full, made := generate(t, p, sp)
	sp.LoRAs = []api.LoRA{}
	after, _ := generate(t, p, sp)
	if !samePixels(t, base[0], zero[0]) {
		t.Error("weight 0 changed the picture")
	}
	if samePixels(t, base[0], full[0]) {
		t.Error("weight 1 changed nothing")
	}
	if base[0].SHA256 != after[0].SHA256 {
		t.Error("the LoRA left a trace")
	}
	if made.LoRADigests[adapters[0].Name] != adapters[0].Digest {
		t.Errorf("LoRA digests %v, want %s", made.LoRADigests, adapters[0].Digest)
	}
}

func samePixels(t *testing.T, a, b file) bool {
	t.Helper()
	x, err := png.Decode(bytes.NewReader(a.body))
	y, err2 := png.Decode(bytes.NewReader(b.body))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	size := x.Bounds()
	if size != y.Bounds() {
		return false
	}
	for py := range size.Dy() {
		for px := range size.Dx() {
			if x.At(px, py) != y.At(px, py) {
				return false
			}
		}
	}
	return true
}

func progresses(t *testing.T, s *suite) {
	p := s.start(t)
	sp := spec(t, p)
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
	sp := spec(t, p)
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
	sp := spec(t, p)
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
	livesOn(t, p)
}

func receiverFails(t *testing.T, s *suite) {
	p := s.start(t)
	sp := spec(t, p)
	sp.N = 2
	refusal := errors.New("no room")
	_, err := p.Generate(t.Context(), sp, t.TempDir(), 0, runner.Watch{Image: func(string, api.Image) error { return refusal }})
	if !errors.Is(err, refusal) {
		t.Errorf("got %v, want the receiver's error", err)
	}
	livesOn(t, p)
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
			sp := spec(t, p)
			test.spoil(&sp)
			_, err := p.Generate(t.Context(), sp, t.TempDir(), 0, runner.Watch{})
			wantCode(t, err, test.code)
			if err != nil && !strings.Contains(err.Error(), test.naming) {
				t.Errorf("error %q does not name %q", err, test.naming)
			}
		})
	}
	wantCode(t, p.Load(t.Context(), "no-such-model"), api.CodeModelNotFound)
	livesOn(t, p)
}

func ends(t *testing.T, s *suite) {
	p := s.start(t)
	p.Stop(t.Context())
	if p.Err() == nil {
		t.Error("no error after the end")
	}
	_, err := p.Generate(t.Context(), spec(t, p), t.TempDir(), 0, runner.Watch{})
	wantCode(t, err, api.CodeNodeStopped)
}

func dies(t *testing.T, s *suite) {
	p := s.start(t)
	sp := spec(t, p)
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

// livesOn makes sure that the same process, not a new one, still makes pictures.
func livesOn(t *testing.T, p *runner.Process) {
	t.Helper()
	if files, _ := generate(t, p, spec(t, p)); len(files) != 1 {
		t.Errorf("%d images afterwards, want 1", len(files))
	}
}

func wantCode(t *testing.T, err error, code api.Code) {
	t.Helper()
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != code {
		t.Errorf("got %v (%T), want code %s", err, err, code)
	}
}
