package agent

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/agent/settings"
	"github.com/easelgrid/easel/api"
)

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
	c.Commands[0].Env = []string{envRuntime + "=broken"}
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
	lock, err := lockData(data)
	if err != nil {
		t.Fatalf("the lock is not released: %v", err)
	}
	lock.Close()
}

func TestConfigNamesEveryFault(t *testing.T) {
	err := Run(t.Context(), Config{Settings: settings.Settings{Coordinator: "ftp://x", JoinToken: "wrong", Slots: -1, DrainTimeout: time.Second}})
	e := api.AsError(err, api.CodeInternal)
	if e.Code != api.CodeInvalidRequest || len(e.Faults) != 5 {
		t.Errorf("got %v, want 5 faults", err)
	}
}
