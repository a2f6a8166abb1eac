package coordtest

import (
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/easelgrid/easel/coordinator"
)

// Lines keep what a coordinator logs.
type Lines struct {
	mu    sync.Mutex
	lines []string
	grown chan struct{} // closed at the next line
}

// Write takes one line.
func (l *Lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	return len(b), nil
}

// Text is what was logged so far.
func (l *Lines) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

// Take lets a coordinator log here.
func (l *Lines) Take(c *coordinator.Config) { c.Log = slog.New(slog.NewTextHandler(l, nil)) }

// Await waits for a line that has all of the texts.
func (l *Lines) Await(t *testing.T, texts ...string) {
	t.Helper()
	for seen := 0; ; {
		l.mu.Lock()
		for ; seen < len(l.lines); seen++ {
			if containsAll(l.lines[seen], texts) {
				l.mu.Unlock()
				return
			}
		}
		if l.grown == nil {
			l.grown = make(chan struct{})
		}
		grown := l.grown
		l.mu.Unlock()
		select {
		case <-grown:
		case <-t.Context().Done():
			t.Fatalf("never logged: %q", texts)
		}
	}
}

func containsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}
