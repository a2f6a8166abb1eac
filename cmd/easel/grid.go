package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/easelgrid/easel/api/client"
	"github.com/easelgrid/easel/process"
)

// A grid is a coordinator and a node as real processes of this binary on loopback. Both end with
// their stdin, so that nothing stays behind however this process ends.
type grid struct {
	client    *client.Client
	nodeID    string
	stages    []stage
	processes []*member
}

// startGrid starts everything under dir and returns when the node is registered.
func startGrid(ctx context.Context, dir string) (*grid, error) {
	g := &grid{}
	if err := g.startCoordinator(ctx, dir); err != nil {
		g.stop()
		return nil, err
	}
	if err := g.startNode(ctx, dir); err != nil {
		g.stop()
		return nil, err
	}
	return g, nil
}

func (g *grid) startCoordinator(ctx context.Context, dir string) error {
	started, data := time.Now(), filepath.Join(dir, "coordinator")
	p, err := startMember("coordinator", "coordinator", "--data", data, "--listen", "127.0.0.1:0", "--json", "--exit-with-stdin")
	if err != nil {
		return err
	}
	g.processes = append(g.processes, p)
	var listening struct{ URL string }
	if err := p.firstLine(ctx, &listening); err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		return err
	}
	g.client = &client.Client{URL: listening.URL, Key: strings.TrimSpace(string(key))}
	g.stages = append(g.stages, stage{"coordinator", time.Since(started)})
	return nil
}

func (g *grid) startNode(ctx context.Context, dir string) error {
	started := time.Now()
	token, err := os.ReadFile(filepath.Join(dir, "coordinator", "join.token"))
	if err != nil {
		return err
	}
	// The token goes by environment: arguments can be read by every user of the machine.
	p, err := startMember("agent", "agent", "run", "--coordinator", g.client.URL, "--data", filepath.Join(dir, "node"),
		"--json", "--exit-with-stdin", "--drain-timeout", "1s", "EASEL_JOIN_TOKEN="+strings.TrimSpace(string(token)))
	if err != nil {
		return err
	}
	g.processes = append(g.processes, p)
	var joined struct {
		NodeID string `json:"node_id"`
	}
	if err := p.firstLine(ctx, &joined); err != nil {
		return err
	}
	g.nodeID = joined.NodeID
	g.stages = append(g.stages, stage{"node", time.Since(started)})
	return nil
}

// stop ends the processes, last started first, and waits for them.
func (g *grid) stop() {
	for i := len(g.processes) - 1; i >= 0; i-- {
		g.processes[i].stop()
	}
}

// lastWords returns what the processes logged, for a demo that failed.
func (g *grid) lastWords() error {
	var all []error
	for _, p := range g.processes {
		if text := strings.TrimSpace(p.log.String()); text != "" {
			all = append(all, fmt.Errorf("log of the %s:\n%s", p.name, text))
		}
	}
	return errors.Join(all...)
}

// A member is one process of the grid.
type member struct {
	name    string
	command *exec.Cmd
	tree    *process.Tree
	in      io.Closer
	lines   chan []byte // of stdout; closed at its end
	log     *tail
	exited  chan struct{}
	err     error // valid after exited is closed
}

// startMember starts this binary. Arguments of the form NAME=VALUE become environment.
func startMember(name string, args ...string) (*member, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	p := &member{name: name, log: &tail{}, lines: make(chan []byte, 16), exited: make(chan struct{})}
	p.command = exec.Command(self)
	p.command.Env = os.Environ()
	for _, a := range args {
		if strings.HasPrefix(a, "EASEL_") {
			p.command.Env = append(p.command.Env, a)
		} else {
			p.command.Args = append(p.command.Args, a)
		}
	}
	p.command.Stderr = p.log
	stdin, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.tree, err = process.Start(p.command); err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	p.in = stdin
	go p.read(stdout)
	return p, nil
}

func (p *member) read(stdout io.Reader) {
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		select {
		case p.lines <- bytes.Clone(scanner.Bytes()):
		default: // nobody reads later lines
		}
	}
	close(p.lines)
	p.err = p.command.Wait()
	p.tree.Kill()
	p.tree.Close()
	close(p.exited)
}

// firstLine waits for the process's first line of JSON.
func (p *member) firstLine(ctx context.Context, into any) error {
	select {
	case line, ok := <-p.lines:
		if ok {
			return json.Unmarshal(line, into)
		}
		<-p.exited
		return fmt.Errorf("the %s ended at its start: %v\n%s", p.name, p.err, p.log)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
		return fmt.Errorf("the %s is not ready after a minute:\n%s", p.name, p.log)
	}
}

// stop ends the process by its stdin, and by force after a while.
func (p *member) stop() {
	_ = p.in.Close()
	select {
	case <-p.exited:
	case <-time.After(15 * time.Second):
		p.tree.Kill()
		<-p.exited
	}
}

// tail remembers the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if extra := len(t.kept) - tailBytes; extra > 0 {
		t.kept = append([]byte(nil), t.kept[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(t.kept), "")
}
