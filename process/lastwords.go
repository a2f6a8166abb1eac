// Package process owns a child process with all its descendants, and the last lines it wrote. A child is
// started as the root of a [Tree], which is ended whole.
package process

import (
	"bytes"
	"strings"
	"sync"
)

// LastWords passes a child's stderr on line by line and keeps its end: at most 20 lines of at most 400 bytes.
// So an error can give the child's own reason instead of "exit status 2".
type LastWords struct {
	Line func(string) // gets every line; may be nil

	mu   sync.Mutex
	part []byte
	kept []string
}

const (
	keptLines     = 20
	keptLineBytes = 400
)

// Write implements io.Writer for exec.Cmd.Stderr.
func (w *LastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part = append(w.part, p...)
	for {
		line, rest, found := bytes.Cut(w.part, []byte("\n"))
		if !found && len(w.part) < 64<<10 {
			return len(p), nil
		}
		w.keep(string(bytes.TrimRight(line, "\r")))
		w.part = append([]byte(nil), rest...)
	}
}

func (w *LastWords) keep(line string) {
	if len(line) > keptLineBytes {
		line = strings.ToValidUTF8(line[:keptLineBytes], "") + "..."
	}
	if line == "" {
		return
	}
	w.kept = append(w.kept, line)
	if len(w.kept) > keptLines {
		w.kept = w.kept[1:]
	}
	if w.Line != nil {
		w.Line(line)
	}
}

// String returns the last lines, an unfinished one included.
func (w *LastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.kept
	if len(w.part) > 0 {
		all = append(all[:len(all):len(all)], strings.ToValidUTF8(string(w.part[:min(len(w.part), keptLineBytes)]), ""))
	}
	return strings.Join(all, "\n")
}
