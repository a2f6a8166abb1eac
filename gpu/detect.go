package gpu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

const (
	detectLimit = 15 * time.Second // a healthy driver answers within two
	probeBytes  = 1 << 20          // of the child's output
)

// probed is what the child prints: one JSON object.
type probed struct {
	Devices []Device `json:"devices"`
	Error   string   `json:"error,omitempty"`
}

// WriteProbe reads the devices in this process and writes them as Detect expects them. It is what
// the command given to Detect does.
func WriteProbe(w io.Writer) error {
	devices, err := Probe()
	answer := probed{Devices: devices}
	if err != nil {
		answer.Error = err.Error()
	}
	return json.NewEncoder(w).Encode(answer)
}

// Detect runs command, a program that calls WriteProbe, and returns the devices it found. The child
// has 15 s. Both results are set where some devices answered and others did not.
func Detect(ctx context.Context, command []string) ([]Device, error) {
	if len(command) == 0 {
		return nil, errors.New("detect devices: no command")
	}
	ctx, cancel := context.WithTimeout(ctx, detectLimit)
	defer cancel()
	output, err := run(ctx, command)
	if err != nil {
		return nil, fmt.Errorf("detect devices: %w", err)
	}
	var answer probed
	if err := json.Unmarshal(output, &answer); err != nil {
		return nil, fmt.Errorf("detect devices: the probe's answer: %w", err)
	}
	if answer.Error != "" {
		err = fmt.Errorf("detect devices: %s", answer.Error)
	}
	return answer.Devices, err
}

// run returns the child's output, or an error with the end of what it wrote to stderr. It returns soon after ctx ends in
// any case: a process stuck inside a broken driver cannot even be killed, and then the goroutine
// that waits for it is left behind until it can.
func run(ctx context.Context, command []string) ([]byte, error) {
	child := exec.CommandContext(ctx, command[0], command[1:]...)
	output, stderr := &limited{limit: probeBytes}, &limited{limit: 4 << 10}
	child.Stdout, child.Stderr = output, stderr
	child.WaitDelay = time.Second
	ended := make(chan error, 1)
	if err := child.Start(); err != nil {
		return nil, err
	}
	go func() { ended <- child.Wait() }()
	select {
	case err := <-ended:
		return result(ctx, err, output, stderr)
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return result(ctx, err, output, stderr)
	case <-time.After(2 * child.WaitDelay):
		return nil, fmt.Errorf("the probe hangs in the driver: %w", ctx.Err())
	}
}

func result(ctx context.Context, err error, output, stderr *limited) ([]byte, error) {
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the probe was stopped: %w", ctx.Err())
	case err != nil && stderr.kept.Len() > 0:
		return nil, fmt.Errorf("the probe failed: %w: %s", err, strings.TrimSpace(stderr.kept.String()))
	case err != nil:
		return nil, fmt.Errorf("the probe failed: %w", err)
	}
	return output.kept.Bytes(), nil
}

// limited keeps the first bytes written to it and swallows the rest. It does not embed the buffer,
// whose ReadFrom would go around the limit.
type limited struct {
	kept  bytes.Buffer
	limit int
}

func (l *limited) Write(p []byte) (int, error) {
	l.kept.Write(p[:min(len(p), max(0, l.limit-l.kept.Len()))])
	return len(p), nil
}
