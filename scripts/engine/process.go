package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/runner/builtin/matrix"
)

// about is what a half reports once about itself.
type about struct {
	Version              string
	Weights, Activations int // bytes
	Resident             int // the most KiB in memory until the first picture was done; 0 where the system does not report it
}

// half is a measuring process and the best of what it has measured.
type half struct {
	name    string
	threads int
	about   about
	best    round

	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
}

// halves are started all at once and then take turns, so that a busy moment of the machine meets all of them.
func measure(ctx context.Context, o options) ([]*half, error) {
	var all []*half
	defer func() {
		for _, h := range all {
			h.stop()
		}
	}()
	for _, threads := range []int{1, 2} {
		for _, name := range names(o) {
			h := &half{name: name, threads: threads, best: round{}}
			if err := h.start(ctx, o); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, h)
		}
	}
	for i := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", i+1, o.rounds)
		for _, h := range all {
			if err := h.measure(); err != nil {
				return nil, fmt.Errorf("%s: %w", h.name, err)
			}
		}
	}
	return all, nil
}

// python is the name of the half that is not ours.
const python = "python"

// names lists the halves, the engine's fastest implementation first.
func names(o options) []string {
	list := matrix.Names()
	list[0], list[len(list)-1] = list[len(list)-1], list[0]
	if o.python != "" {
		list = append(list, python)
	}
	return list
}

func (h *half) start(ctx context.Context, o options) error {
	if h.name == python {
		h.command = exec.CommandContext(ctx, o.python, "scripts/engine/pytorch.py", "runner/builtin/model", strconv.Itoa(h.threads))
	} else {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		h.command = exec.CommandContext(ctx, self, "-half", h.name)
	}
	h.command.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", h.threads), fmt.Sprintf("OMP_NUM_THREADS=%d", h.threads))
	h.command.Stderr = os.Stderr
	var err error
	if h.in, err = h.command.StdinPipe(); err != nil {
		return err
	}
	out, err := h.command.StdoutPipe()
	if err != nil {
		return err
	}
	h.out = json.NewDecoder(bufio.NewReader(out))
	if err := h.command.Start(); err != nil {
		return err
	}
	if err := h.out.Decode(&h.about); err != nil {
		return err
	}
	if h.name == python {
		h.about.Resident = resident(h.command.Process.Pid)
	}
	return nil
}

// pause lets the threads of the one before, which look for work for a while, fall asleep.
const pause = 300 * time.Millisecond

func (h *half) measure() error {
	time.Sleep(pause)
	if err := json.NewEncoder(h.in).Encode(shapes); err != nil {
		return err
	}
	var r round
	if err := h.out.Decode(&r); err != nil {
		return err
	}
	for name, seconds := range r {
		if before, ok := h.best[name]; ok {
			seconds = min(seconds, before)
		}
		h.best[name] = seconds
	}
	return nil
}

func (h *half) stop() {
	h.in.Close()
	_ = h.command.Wait()
}

// resident reads the peak of a process' memory where Linux reports it.
func resident(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return n
		}
	}
	return 0
}
