package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shirou/gopsutil/v3/process"

	"github.com/easelgrid/easel/agent/settings"
	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/fake"
)

const (
	envRuntime = "EASEL_TEST_RUNTIME"
	envFlag    = "EASEL_TEST_FLAG"
)

// noExitSleep keeps the race detector from sleeping for a second whenever a child ends.
const noExitSleep = "GORACE=atexit_sleep_ms=0"

// TestMain makes the test binary the runtime subprocess as well.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "gpu-probe" {
		os.Stdout.WriteString(`{"devices":[{"uuid":"GPU-1","name":"T4","kind":"cuda","vram":17179869184,"power":70}]}`)
		return
	}
	switch os.Getenv(envRuntime) {
	case "":
		os.Exit(m.Run())
	case "fake":
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		if err := runner.Serve(fake.New(fake.Options{}), os.Stdin, os.Stdout, log); err != nil {
			log.Error("serve", "error", err)
			os.Exit(1)
		}
	case "once": // a runtime whose files vanish while it runs
		flag := os.Getenv(envFlag)
		if os.Remove(flag) != nil {
			os.Stderr.WriteString("no such file\n")
			os.Exit(7)
		}
		if err := runner.Serve(fake.New(fake.Options{}), os.Stdin, os.Stdout, slog.Default()); err != nil {
			os.Exit(1)
		}
	case "wordy":
		if err := runner.Serve(wordy{fake.New(fake.Options{})}, os.Stdin, os.Stdout, slog.Default()); err != nil {
			os.Exit(1)
		}
	case "broken":
		os.Stderr.WriteString("no such model directory\n")
		os.Exit(7)
	}
}

// wordy is a runtime that reports more than fits into a frame, in the place that the prompt names.
type wordy struct{ *fake.Runtime }

func (w wordy) Generate(ctx context.Context, spec api.ImageSpec, inputs picture.Inputs, sink runner.Sink) (runner.Made, error) {
	long := strings.Repeat("x", 2*api.MaxFrame)
	switch spec.Prompt {
	case "faults":
		return runner.Made{}, &api.Error{Code: api.CodeInvalidRequest, Message: "wrong", Faults: []api.Fault{{Field: long}}}
	case "code":
		return runner.Made{}, &api.Error{Code: api.Code(long), Message: "wrong"}
	case "phase":
		sink.Progress(api.Progress{Phase: api.Phase(long)})
	}
	made, err := w.Runtime.Generate(ctx, spec, inputs, sink)
	if spec.Prompt == "receipt" {
		made.Device, made.ModelDigest = long, long[:1<<10]
		made.Scheduler = long[:api.MaxFrame]
	}
	return made, err
}

// running is an agent under test.
type running struct {
	t    *testing.T
	end  context.CancelFunc // SIGTERM
	done chan struct{}      // closed when Run returned
	err  error              // what it returned; valid after done
}

func config(t *testing.T, url, data string) Config {
	s := settings.Default()
	s.Coordinator, s.JoinToken, s.Data = url, "easel-join-1.secret", data
	return Config{
		Settings: s, Version: "test",
		Commands: []Command{{Name: "fake", Args: []string{os.Args[0]}, Env: []string{envRuntime + "=fake", noExitSleep}}},
		Log:      slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func start(t *testing.T, c Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, end: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = Run(ctx, c)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// stop drains the agent and checks that it leaves nothing behind.
func (r *running) stop() {
	r.t.Helper()
	r.end()
	if err := r.wait(); err != nil {
		r.t.Errorf("Run: got %v, want nil", err)
	}
	if left := children(r.t); len(left) > 0 {
		r.t.Errorf("%d runtime processes are left", len(left))
	}
}

func (r *running) wait() error {
	r.t.Helper()
	receive(r.t, r.done, "end of Run")
	return r.err
}

// children are the processes that this one started and that still run.
func children(t *testing.T) []*process.Process {
	t.Helper()
	all, err := process.Processes()
	if err != nil {
		t.Fatal(err)
	}
	var mine []*process.Process
	for _, p := range all {
		if parent, err := p.Ppid(); err == nil && int(parent) == os.Getpid() {
			mine = append(mine, p)
		}
	}
	return mine
}

// assignment is a job for the fake runtime.
func assignment(job string, prompt string, adjust ...func(*api.ImageSpec)) api.Assign {
	a := api.Assign{
		Attempt: api.Attempt{Job: job, Number: 1}, Runtime: "fake", Upload: "/upload/" + job + "/{index}", Ticket: "ticket-of-" + job,
		Spec: api.ImageSpec{
			Model: "fake", Prompt: prompt, Width: 64, Height: 64, Steps: 10, GuidanceScale: 5, Scheduler: "DDIMScheduler", Seed: 7, N: 1,
			LoRAs: []api.LoRA{},
		},
	}
	for _, f := range adjust {
		f(&a.Spec)
	}
	return a
}

// spooled lists the attempts that are kept in a data directory.
func spooled(t *testing.T, data string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(data, "spool", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// emptied waits until the agent holds nothing, and checks its spool.
func emptied(t *testing.T, p *peer, data string) {
	t.Helper()
	// The directory goes when the attempt's goroutine has let go of it, a little later than its name.
	p.heartbeat("heartbeat that names no attempt, and an empty spool", func(h api.Heartbeat) bool {
		return len(h.Held) == 0 && len(spooled(t, data)) == 0
	})
}

// join starts a coordinator and an agent that registers with it.
func join(t *testing.T, adjust ...func(*Config)) (c *fakeCoordinator, r *running, p *peer, data string) {
	t.Helper()
	c, data = newCoordinator(t), t.TempDir()
	cfg := config(t, c.url(), data)
	for _, f := range adjust {
		f(&cfg)
	}
	r = start(t, cfg)
	return c, r, receive(t, c.sessions, "registration"), data
}
