package offer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/easelgrid/easel/coordinator/catalog"
)

// fileCheck is how often the catalog's file is looked at.
const fileCheck = time.Second

// A File is the catalog as its file was when it was last right.
type File struct {
	path     string
	dialects []string
	log      *slog.Logger

	current atomic.Pointer[state]
	seen    stamp // of the file last read, right or wrong
}

// A state is a catalog and when its file was written.
type state struct {
	catalog *catalog.Catalog
	changed time.Time
}

// A stamp tells whether a file was written since.
type stamp struct {
	at   time.Time
	size int64
}

// OpenFile reads a catalog's file, which must be right. Dialects are those that it may name. The path "" is
// no file, which is nil.
func OpenFile(path string, dialects []string, log *slog.Logger) (*File, error) {
	if path == "" {
		return nil, nil
	}
	f := &File{path: path, dialects: dialects, log: log}
	return f, f.read()
}

// Catalog is the one to use now, and when its file was written.
func (f *File) Catalog() (*catalog.Catalog, time.Time) {
	now := f.current.Load()
	return now.catalog, now.changed
}

// read takes the file's content if it is right.
func (f *File) read() error {
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	f.seen = stamp{info.ModTime(), info.Size()}
	body, err := io.ReadAll(io.LimitReader(file, catalog.MaxBytes+1))
	if err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	parsed, err := catalog.Parse(body, f.dialects)
	if err != nil {
		return fmt.Errorf("catalog %s:\n%w", f.path, err)
	}
	f.current.Store(&state{parsed, info.ModTime().UTC().Truncate(time.Second)})
	return nil
}

// Run reads the file again when it has changed, and on demand, until ctx ends. A file that is wrong changes
// nothing.
func (f *File) Run(ctx context.Context, again <-chan struct{}) {
	tick := time.NewTicker(fileCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-tick.C:
			info, err := os.Stat(f.path)
			if err != nil || f.seen == (stamp{info.ModTime(), info.Size()}) {
				continue // a file that is being replaced comes back
			}
		}
		if err := f.read(); err != nil {
			f.log.Warn("the catalog has faults, the old one stays", "file", f.path, "faults", strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		c, _ := f.Catalog()
		f.log.Info("catalog read again", "file", f.path, "models", len(c.Models))
	}
}
