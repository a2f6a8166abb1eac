package coordinator

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

// catalogCheck is how often the catalog's file is looked at.
const catalogCheck = time.Second

// catalogFile is the catalog as its file said when it was last right. Its zero value is that there is
// none.
type catalogFile struct {
	path     string
	dialects []string
	log      *slog.Logger

	current atomic.Pointer[catalog.Catalog]
	changed atomic.Pointer[time.Time] // the file of current
	seen    stamp                     // of the file last read, right or wrong
}

// A stamp tells whether a file was written since.
type stamp struct {
	at   time.Time
	size int64
}

// now is the catalog to use, nil when there is none.
func (f *catalogFile) now() *catalog.Catalog { return f.current.Load() }

// read takes over what the file says if it is right.
func (f *catalogFile) read() error {
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
	at := info.ModTime().UTC().Truncate(time.Second)
	f.changed.Store(&at)
	f.current.Store(parsed)
	return nil
}

// run reads the file again when it has changed, and when it is told to, until ctx ends. A file that is
// wrong changes nothing.
func (f *catalogFile) run(ctx context.Context, again <-chan struct{}) {
	tick := time.NewTicker(catalogCheck)
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
			f.log.Warn("the catalog is not taken over, the old one stays", "file", f.path, "faults", strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		f.log.Info("catalog read again", "file", f.path, "models", len(f.now().Models))
	}
}
