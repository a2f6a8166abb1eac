// Package e2e tells stories through real processes: the easel binary as coordinator, agent and
// runtime, killed at the worst moments.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/process"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/api/client"
)

// binary is the easel program under test, built once without the race detector: the stories are
// about processes, and the packages' own tests run with -race.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "easel-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "easel")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.Command("go", "build", "-o", binary, "../cmd/easel")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// patience bounds every wait; it is long because a machine under test may be slow, and nothing
// waits longer than it must.
const patience = 90 * time.Second

// A proc is one process of a story.
type proc struct {
	t       *testing.T
	name    string
	command *exec.Cmd
	lines   chan string // of stdout
	log     *logWriter
	exited  chan struct{}
	err     error // valid after exited is closed
}

func start(t *testing.T, name string, args ...string) *proc {
	t.Helper()
	p := &proc{t: t, name: name, lines: make(chan string, 64), exited: make(chan struct{}), log: &logWriter{t: t, name: name}}
	p.command = exec.Command(binary, args...)
	p.command.Stderr = p.log
	p.command.WaitDelay = 5 * time.Second
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default:
			}
		}
		p.err = p.command.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.kill)
	return p
}

// line waits for one line of JSON on stdout.
func (p *proc) line(into any) {
	p.t.Helper()
	select {
	case text := <-p.lines:
		if err := json.Unmarshal([]byte(text), into); err != nil {
			p.t.Fatalf("%s printed %q: %v", p.name, text, err)
		}
	case <-p.exited:
		p.t.Fatalf("%s ended: %v\n%s", p.name, p.err, p.log)
	case <-time.After(patience):
		p.t.Fatalf("%s printed nothing\n%s", p.name, p.log)
	}
}

// kill is SIGKILL: the process gets no chance to tidy up.
func (p *proc) kill() {
	_ = p.command.Process.Kill()
	<-p.exited
}

func (p *proc) wait() error {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.err
	case <-time.After(patience):
		p.t.Fatalf("%s does not end\n%s", p.name, p.log)
		return nil
	}
}

// runtimePID is the process id of an agent's runtime child.
func (p *proc) runtimePID() int32 {
	p.t.Helper()
	parent, err := process.NewProcess(int32(p.command.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	children, err := parent.Children()
	if err != nil {
		p.t.Fatalf("children of %s: %v", p.name, err)
	}
	for _, c := range children {
		if args, err := c.Cmdline(); err == nil && strings.Contains(args, "runtime serve") {
			return c.Pid
		}
	}
	p.t.Fatalf("%s has no runtime", p.name)
	return 0
}

// logWriter keeps a process's stderr for the failure message.
type logWriter struct {
	t    *testing.T
	name string
	mu   sync.Mutex
	body bytes.Buffer
}

func (w *logWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.Write(b)
}

func (w *logWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.String()
}

// A site is a coordinator with its data, which may be killed and started again on the same address.
type site struct {
	t      *testing.T
	data   string
	listen string
	lease  string
	extra  []string // more arguments of the coordinator
	proc   *proc
	client *client.Client
	url    string
}

// newSite starts a coordinator, with more arguments if there are any.
func newSite(t *testing.T, extra ...string) *site { return newSiteWithLease(t, "6s", extra...) }

// newSiteWithLease chooses how long a silent node keeps its attempts.
func newSiteWithLease(t *testing.T, lease string, extra ...string) *site {
	t.Helper()
	s := &site{t: t, data: t.TempDir(), listen: "127.0.0.1:0", lease: lease, extra: extra}
	s.start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the coordinator:\n%s", s.proc.log)
		}
	})
	return s
}

func (s *site) start() {
	s.t.Helper()
	s.proc = start(s.t, "coordinator", append([]string{
		"coordinator", "--data", s.data, "--listen", s.listen, "--json", "--heartbeat", "200ms", "--lease", s.lease, "--verbose",
	}, s.extra...)...)
	var listening struct{ URL string }
	s.proc.line(&listening)
	s.url, s.listen = listening.URL, strings.TrimPrefix(listening.URL, "http://")
	s.client = &client.Client{URL: s.url, Key: s.read("admin.key")}
}

func (s *site) read(name string) string {
	s.t.Helper()
	body, err := os.ReadFile(filepath.Join(s.data, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// A node is an agent with its data.
type node struct {
	*proc
	id   string
	data string
}

// join starts an agent against url, the coordinator's or a proxy's.
func (s *site) join(url, runtime string, args ...string) *node {
	s.t.Helper()
	token, err := s.client.Token(s.t.Context())
	if err != nil {
		s.t.Fatalf("token: %v", err)
	}
	n := &node{data: s.t.TempDir()}
	n.proc = start(s.t, "agent", append([]string{"agent", "run", "--coordinator", url, "--join", token, "--data", n.data, "--runtime", runtime, "--json", "--verbose"}, args...)...)
	var joined struct {
		NodeID string `json:"node_id"`
	}
	n.line(&joined)
	n.id = joined.NodeID
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("log of node %s:\n%s", n.id, n.log)
		}
	})
	return n
}

// submit asks the fake runtime for a picture of so many steps of 100 ms.
func (s *site) submit(prompt string, steps int) api.Job {
	s.t.Helper()
	job, err := s.client.Submit(s.t.Context(), api.JobRequest{Model: "fake", Prompt: prompt + " fake:step=100ms", Steps: &steps}, "")
	if err != nil {
		s.t.Fatalf("submit: %v", err)
	}
	return job
}

// until follows a job until a condition holds.
func (s *site) until(id string, what string, holds func(api.Job) bool) api.Job {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var seen api.Job
	for {
		job, err := s.client.Job(ctx, id)
		if err == nil {
			if seen = job; holds(job) {
				return job
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			s.t.Fatalf("job %s is not %s: %+v", id, what, seen)
		}
	}
}

func (s *site) running(id string) api.Job {
	return s.until(id, "running", func(j api.Job) bool {
		return j.State == api.StateRunning && j.Progress != nil && j.Progress.Step > 0
	})
}

// finished waits for a job and checks that it succeeded with one whole picture.
func (s *site) finished(id string) api.Job {
	s.t.Helper()
	job := s.until(id, "settled", func(j api.Job) bool { return j.State.Terminal() })
	if job.State != api.StateSucceeded || len(job.Images) != job.Spec.N || job.Receipt == nil {
		s.t.Fatalf("job %s: state %s, %d images, error %v", id, job.State, len(job.Images), job.Error)
	}
	var body bytes.Buffer
	if err := s.client.Image(s.t.Context(), job.Images[0].URL, &body); err != nil {
		s.t.Errorf("job %s: fetch: %v", id, err)
	}
	if int64(body.Len()) != job.Images[0].Bytes {
		s.t.Errorf("job %s: %d bytes, want %d", id, body.Len(), job.Images[0].Bytes)
	}
	return job
}

// A proxy stands between an agent and the coordinator and can cut every connection.
type proxy struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	cutting  bool
	open     map[net.Conn]bool
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, open: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); p.cut(true) })
	go func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go p.serve(conn)
			}
		}
	}()
	return p
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// cut closes all connections and refuses new ones until called with false.
func (p *proxy) cut(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutting = on
	for conn := range p.open {
		if on {
			conn.Close()
		}
	}
}

func (p *proxy) track(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cutting {
		conn.Close()
		return false
	}
	p.open[conn] = true
	return true
}

func (p *proxy) forget(conn net.Conn) {
	conn.Close()
	p.mu.Lock()
	delete(p.open, conn)
	p.mu.Unlock()
}

func (p *proxy) serve(near net.Conn) {
	if !p.track(near) {
		return
	}
	defer p.forget(near)
	far, err := net.Dial("tcp", p.target)
	if err != nil || !p.track(far) {
		return
	}
	defer p.forget(far)
	go func() {
		_, _ = io.Copy(far, near)
		far.Close()
	}()
	_, _ = io.Copy(near, far)
}
