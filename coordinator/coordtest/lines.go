package coordinator

import (
	"bytes"
	"log/slog"
	"sync"
)

// lines keep what a coordinator logs.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) take(c *Config) { c.Log = slog.New(slog.NewTextHandler(l, nil)) }
