package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/process"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/fake"
)

const envRuntime = "EASEL_TEST_RUNTIME"

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
	case "broken":
		os.Stderr.WriteString("no such model directory\n")
		os.Exit(7)
	}
}

// running is an agent under test.
type running struct {
	t    *testing.T
	end  context.CancelFunc // SIGTERM
	done chan struct{}      // closed when Run returned
	err  error              // what it returned; valid after done
}

func config(t *testing.T, url, data string) Config {
	return Config{
		Coordinator: url, JoinToken: "easel-join-1.secret", Data: data, Version: "test",
		Runtimes: []Command{{Name: "fake", Args: []string{os.Args[0]}, Env: []string{envRuntime + "=fake", noExitSleep}}},
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

func TestJobFromAssignmentToSettled(t *testing.T) {
	joined := make(chan string, 1)
	c, r, p, data := join(t, func(c *Config) { c.Joined = func(id string) { joined <- id } })
	if got := receive(t, joined, "call of Joined"); got != "node-1" {
		t.Errorf("joined as %q, want node-1", got)
	}
	checkRegistration(t, p.register)
	p.assign(assignment("job-a", "a red circle"))
	p.accepted()
	await(p, "a preview", func(m api.NodeMessage) *api.Previewed { return m.Preview })
	done := p.done()
	arrived := receive(t, c.puts, "upload")
	if !arrived.whole || arrived.ticket != "Bearer ticket-of-job-a" || arrived.kind != "image/png" || arrived.path != "/upload/job-a/0" {
		t.Errorf("upload: digest right %t, ticket %q, type %q, path %q", arrived.whole, arrived.ticket, arrived.kind, arrived.path)
	}
	checkReceipt(t, done, p.register)
	if len(spooled(t, data)) != 1 {
		t.Error("the result must stay in the spool until it is settled")
	}
	p.settle(done.Attempt)
	emptied(t, p, data)
	r.stop()
	await(p, "leaving", func(m api.NodeMessage) *api.Leaving { return m.Leaving })
}

func checkRegistration(t *testing.T, r api.Register) {
	t.Helper()
	if r.JoinToken != "easel-join-1.secret" || r.Protocol != api.ProtocolVersion || r.Slots != 1 || r.Draining || len(r.Held) != 0 {
		t.Errorf("registration: %+v", r)
	}
	if len(r.Devices) != 1 || r.Devices[0].Kind != "cpu" || r.Devices[0].UUID == "" || r.Devices[0].VRAM == 0 {
		t.Errorf("devices: %+v", r.Devices)
	}
	if len(r.Runtimes) != 1 || r.Runtimes[0].Name != "fake" || len(r.Runtimes[0].Models) != 1 {
		t.Errorf("runtimes: %+v", r.Runtimes)
	}
	if r.Host.OS == "" || r.Host.Cores == 0 || r.Host.Memory == 0 {
		t.Errorf("host: %+v", r.Host)
	}
}

func checkReceipt(t *testing.T, d api.Done, r api.Register) {
	t.Helper()
	receipt := d.Receipt
	if !receipt.Verify(r.PublicKey) {
		t.Error("the receipt's signature does not verify")
	}
	if receipt.Attempt != d.Attempt || receipt.NodeID != "node-1" || receipt.Device != r.Devices[0].UUID || receipt.Runtime != "fake" ||
		receipt.Scheduler != "DDIMScheduler" || receipt.Steps != 10 || receipt.ModelDigest == "" || receipt.FinishedAt.IsZero() {
		t.Errorf("receipt: %+v", receipt)
	}
	for i, image := range d.Images {
		if receipt.ImageDigests[i] != image.SHA256 || receipt.Seeds[i] != 7+int64(i) || image.Index != i {
			t.Errorf("image %d: %+v, receipt %v %v", i, image, receipt.ImageDigests, receipt.Seeds)
		}
	}
}

func TestFirstImageIsUploadedWhileTheSecondIsMade(t *testing.T) {
	c, r, p, _ := join(t)
	release := make(chan struct{})
	arrived := make(chan struct{})
	c.set(func() {
		c.answer = func(u put) int {
			if u.path == "/upload/job-a/0" {
				close(arrived)
				<-release
			}
			return 201
		}
	})
	p.assign(assignment("job-a", "fake:step=50ms", func(s *api.ImageSpec) { s.N = 2 }))
	p.accepted()
	receive(t, arrived, "first upload")
	if now := p.progress(); now.Image == 1 && now.Step == now.Steps {
		t.Error("the second image was finished before the first was uploaded")
	}
	await(p, "progress of the second image", func(m api.NodeMessage) *api.Progressed {
		if m.Progress == nil || m.Progress.Progress.Image != 1 || m.Progress.Progress.Step < 2 {
			return nil
		}
		return m.Progress
	})
	close(release)
	done := p.done()
	if len(done.Images) != 2 {
		t.Errorf("got %d images, want 2", len(done.Images))
	}
	p.settle(done.Attempt)
	r.stop()
}

func TestRefusedTokenEndsRun(t *testing.T) {
	c := newCoordinator(t)
	c.refuse = func(api.Register) *api.Error { return api.Errorf(api.CodeUnauthorized, "the join token was used") }
	err := start(t, config(t, c.url(), t.TempDir())).wait()
	refused, ok := errors.AsType[*Refused](err)
	if !ok || refused.Reason.Code != api.CodeUnauthorized {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestProbedDevicesAreRegistered(t *testing.T) {
	_, r, p, data := join(t, func(c *Config) { c.Probe = []string{os.Args[0], "gpu-probe"} })
	if d := p.register.Devices; len(d) != 1 || d[0].UUID != "GPU-1" || d[0].Power != 70 || d[0].Utilization != 0 {
		t.Errorf("devices: %+v", d)
	}
	p.heartbeat("heartbeat with device readings", func(h api.Heartbeat) bool { return len(h.Devices) == 1 })
	p.assign(assignment("job-a", "a red circle"))
	done := p.done()
	if !strings.HasPrefix(done.Receipt.Device, "CPU-") {
		t.Errorf("the receipt names %s for what the CPU computed", done.Receipt.Device)
	}
	p.settle(done.Attempt)
	emptied(t, p, data)
	r.stop()
}

func TestTwoSlotsWorkAtTheSameTime(t *testing.T) {
	_, r, p, data := join(t, func(c *Config) { c.Slots = 2 })
	p.assign(assignment("job-a", "fake:step=1h"))
	slow := p.accepted().Attempt
	p.assign(assignment("job-b", "a red circle"))
	if done := p.done(); done.Job != "job-b" {
		t.Errorf("done: %s, want job-b", done.Job)
	}
	p.settle(api.Attempt{Job: "job-b", Number: 1})
	p.cancelJob(slow)
	emptied(t, p, data)
	if n := len(children(t)); n != 2 {
		t.Errorf("%d runtime processes, want one a slot", n)
	}
	r.stop()
}

func TestNoRuntimeEndsRun(t *testing.T) {
	c := config(t, "http://127.0.0.1:1", t.TempDir())
	c.Runtimes[0].Env = []string{envRuntime + "=broken"}
	if err := start(t, c).wait(); !errors.Is(err, ErrNoRuntime) {
		t.Errorf("got %v, want ErrNoRuntime", err)
	}
}

func TestDataDirectoryInUseEndsRun(t *testing.T) {
	_, r, _, data := join(t)
	if err := start(t, config(t, "http://127.0.0.1:1", data)).wait(); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	r.stop()
	release, err := lockData(data)
	if err != nil {
		t.Fatalf("the lock is not released: %v", err)
	}
	release()
}

func TestConfigNamesEveryFault(t *testing.T) {
	err := Run(t.Context(), Config{Coordinator: "ftp://x", JoinToken: "wrong", Slots: -1, DrainTimeout: time.Second})
	e := api.AsError(err, api.CodeInternal)
	if e.Code != api.CodeInvalidRequest || len(e.Faults) != 5 {
		t.Errorf("got %v, want 5 faults", err)
	}
}
