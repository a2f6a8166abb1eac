// Package runnertest is the contract of a runtime as a test suite. Every runtime passes it, as a
// real subprocess behind a real [runner.Process]: in Go through [Main], in any other language by
// naming its command.
package runnertest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"

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
func Run(t *testing.T, options runner.Options) { Suite{Options: options}.Run(t) }

// A Suite is a way to run the checks.
type Suite struct {
	Options runner.Options
	// Models are those to take; none for the first that the runtime names.
	Models []string
	// Share lets one process serve all cases that do not end it, for a runtime that takes long to start.
	Share bool
}

// Run checks the runtime with each of the models.
func (s Suite) Run(t *testing.T) {
	shared := &shared{options: s.Options, keep: s.Share}
	defer shared.stop()
	if len(s.Models) == 0 {
		(&suite{shared: shared}).run(t)
		return
	}
	for i, model := range s.Models {
		t.Run(model, func(t *testing.T) { (&suite{shared: shared, model: model, later: i > 0}).run(t) })
	}
}

func (s *suite) run(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *suite)
		// process marks a case about the process, whatever the model.
		process bool
	}{
		{"describes itself", describes, false},
		{"makes the images that were asked for", makes, false},
		{"same seed gives the same file in another process", repeats, true},
		{"image i of a batch is the image of seed+i", batches, false},
		{"a LoRA of weight 0 changes nothing and leaves no trace", adapts, false},
		{"an init image and a mask decide what becomes of the pixels", starts, false},
		{"formats and backgrounds are what was asked for", finishes, false},
		{"progress counts up to the end", progresses, false},
		{"previews are small JPEG pictures", previews, false},
		{"cancel ends the job within a step and the runtime lives on", cancels, false},
		{"a failing receiver ends the job and the runtime lives on", receiverFails, true},
		{"bad requests give one clear error and the runtime lives on", refuses, false},
		{"end of input ends the process", ends, true},
		{"a kill is reported as a crash", dies, true},
	} {
		if s.later && test.process {
			continue // checked with the first model
		}
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

// suite is the checks with one model.
type suite struct {
	shared *shared
	model  string // "" for the first
	later  bool   // another model was checked before
}

// start returns a process that may have served other cases, and that lives on.
func (s *suite) start(t *testing.T) *runner.Process {
	t.Helper()
	if !s.shared.keep {
		return s.launch(t)
	}
	if s.shared.process == nil || s.shared.process.Err() != nil {
		p, err := runner.Start(t.Context(), s.shared.options)
		if err != nil {
			t.Fatalf("start: %v", err)
		}
		s.shared.process = p
	}
	return s.shared.process
}

// launch starts a process for this test alone, which stops it.
func (s *suite) launch(t *testing.T) *runner.Process {
	t.Helper()
	p, err := runner.Start(t.Context(), s.shared.options)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() { p.Stop(context.Background()) })
	return p
}

// shared is the process of several cases, where it is kept for them.
type shared struct {
	options runner.Options
	keep    bool
	process *runner.Process
}

func (s *shared) stop() {
	if s.process != nil {
		s.process.Stop(context.Background())
	}
}

// about is the model that the suite is about.
func (s *suite) about(t *testing.T, p *runner.Process) api.Model {
	t.Helper()
	info := p.Runtime()
	if len(info.Models) == 0 {
		t.Fatal("the runtime has no model")
	}
	model, ok := info.FindModel(cmp.Or(s.model, info.Models[0].Name))
	if !ok {
		t.Fatalf("the runtime has no model %s", s.model)
	}
	return model
}

// spec is a small request for the suite's model.
func (s *suite) spec(t *testing.T, p *runner.Process) api.ImageSpec {
	t.Helper()
	steps := 3
	sp, faults := api.JobRequest{Prompt: "a red circle on a blue background", Steps: &steps}.Spec(s.about(t, p), 7)
	if len(faults) > 0 {
		t.Fatalf("the model's defaults are faulty: %v", faults)
	}
	return sp
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
	return tryIn(t, p, s, t.TempDir())
}

// tryIn generates in a directory that holds the spec's inputs.
func tryIn(t *testing.T, p *runner.Process, s api.ImageSpec, dir string) ([]file, runner.Made, error) {
	t.Helper()
	var files []file
	made, err := p.Generate(t.Context(), s, dir, 0, runner.Watch{Image: func(path string, i api.Image) error {
		body, err := os.ReadFile(path)
		files = append(files, file{i, body})
		return err
	}})
	return files, made, err
}

// livesOn makes sure that the same process, not a new one, still makes pictures.
func (s *suite) livesOn(t *testing.T, p *runner.Process) {
	t.Helper()
	if files, _ := generate(t, p, s.spec(t, p)); len(files) != 1 {
		t.Errorf("%d images afterwards, want 1", len(files))
	}
}

func wantCode(t *testing.T, err error, code api.Code) {
	t.Helper()
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != code {
		t.Errorf("got %v (%T), want code %s", err, err, code)
	}
}
