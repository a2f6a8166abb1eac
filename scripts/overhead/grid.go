package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/easelgrid/easel/api/client"
)

// grid is a coordinator and a node, as processes.
type grid struct {
	dir    string
	native *client.Client
	procs  []*exec.Cmd
}

func startGrid(ctx context.Context) (*grid, error) {
	dir, err := os.MkdirTemp("", "easel-overhead-")
	if err != nil {
		return nil, err
	}
	g := &grid{dir: dir}
	if err := g.start(ctx); err != nil {
		g.stop()
		return nil, err
	}
	return g, nil
}

func (g *grid) start(ctx context.Context) error {
	binary, data := filepath.Join(g.dir, "easel"), filepath.Join(g.dir, "data")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/easel").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	var listening struct{ URL string }
	if err := g.run(ctx, &listening, binary, "coordinator", "--data", data, "--listen", "127.0.0.1:0", "--json"); err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(data, "admin.key"))
	token, err2 := os.ReadFile(filepath.Join(data, "join.token"))
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	g.native = &client.Client{URL: listening.URL, Key: strings.TrimSpace(string(key))}
	return g.run(ctx, &struct{}{}, binary, "agent", "run", "--coordinator", listening.URL, "--join", strings.TrimSpace(string(token)),
		"--data", filepath.Join(g.dir, "node"), "--runtime", "fake", "--fake-step-time", "0s", "--json")
}

// run starts a process and reads its first line, which says that it is ready.
func (g *grid) run(ctx context.Context, ready any, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	g.procs = append(g.procs, c)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, args[0], err)
	}
	return json.Unmarshal(line, ready)
}

// stop ends the processes, the last first.
func (g *grid) stop() {
	for i := len(g.procs) - 1; i >= 0; i-- {
		_ = g.procs[i].Process.Signal(os.Interrupt)
		_ = g.procs[i].Wait()
	}
	_ = os.RemoveAll(g.dir)
}
