package diffusers

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// pipListener follows what pip prints, the only sign of its progress.
type pipListener struct {
	progress func(Progress)
	log      io.Writer

	mu    sync.Mutex
	total int // packages for this system
	done  int // collected
	phase string
	words []string // the last lines
}

const keptWords = 60

func (l *pipListener) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l.take(lines.Text())
	}
	_, _ = io.Copy(io.Discard, out) // a line beyond any limit must not block pip
}

func (l *pipListener) take(line string) {
	fmt.Fprintln(l.log, line)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.words = append(l.words, line); len(l.words) > keptWords {
		l.words = l.words[1:]
	}
	switch first, rest, _ := strings.Cut(strings.TrimSpace(line), " "); {
	case first == "Ignoring": // not for this system
		l.total--
	case first == "Collecting":
		name, _, _ := strings.Cut(rest, "==")
		l.progress(Progress{Phase: l.phase, Package: name, Done: l.done, Total: l.total})
		l.done++
	case strings.HasPrefix(line, "Installing collected packages"):
		l.phase = "installing"
		l.progress(Progress{Phase: l.phase, Total: l.total})
	}
}

// watch reports packages as they appear in the environment: pip prints nothing while it installs. The returned
// function ends that.
func (o Installation) watch(environment string, l *pipListener) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				l.look(environment)
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

func (l *pipListener) look(environment string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != "installing" {
		return
	}
	var there []string
	for _, pattern := range []string{"lib/python3*/site-packages/*.dist-info", "Lib/site-packages/*.dist-info"} {
		found, _ := filepath.Glob(filepath.Join(environment, filepath.FromSlash(pattern)))
		there = append(there, found...)
	}
	l.progress(Progress{Phase: l.phase, Done: min(max(len(there)-1, 0), l.total), Total: l.total}) // without pip itself
}

// explain turns pip's last lines into a plain error.
func (l *pipListener) explain(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := strings.Join(l.words, "\n")
	reported := ""
	for _, line := range l.words {
		if strings.Contains(line, "ERROR:") {
			reported = strings.TrimSpace(line)
		}
	}
	for _, cause := range causes {
		for _, sign := range cause.signs {
			if strings.Contains(all, sign) {
				return fmt.Errorf("%s (pip: %s)", cause.text, cmp.Or(reported, sign))
			}
		}
	}
	return fmt.Errorf("pip failed: %s", cmp.Or(reported, lastLine([]byte(all), err)))
}

// causes are the usual failures and what pip prints for them; the first that fits counts.
var causes = []struct {
	text  string
	signs []string
}{
	{"a file from the package index is not the one that is pinned: it was damaged or exchanged, and nothing was installed",
		[]string{"DO NOT MATCH THE HASHES"}},
	{"the disk is full: the environment takes up to 8 GB", []string{"No space left on device", "not enough space"}},
	{"the package index cannot be reached: is there a network, or a mirror for --index-url?",
		[]string{"NewConnectionError", "Failed to establish a new connection", "Name or service not known", "name resolution", "getaddrinfo failed",
			"Max retries exceeded", "ProxyError", "ConnectTimeout", "ReadTimeout", "Network is unreachable", "Connection refused", "SSLError", "Could not fetch URL"}},
	{"the package index cannot be reached or has none of the packages: is there a network, or a mirror for --index-url?",
		[]string{"(from versions: none)"}},
	{"the package index lacks a package for this system and Python", []string{"No matching distribution found"}},
}
