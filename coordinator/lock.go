package coordinator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrInUse says that another coordinator runs on the data directory.
var ErrInUse = errors.New("in use by another coordinator")

// lockDirectory takes the lock of a data directory. The embedded JetStream has none of its own: two
// servers open the same directory without an error and damage it. The operating system drops the
// lock with the process, however it dies, so a stale file means nothing.
func lockDirectory(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := lockFile(file); err != nil {
		file.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("data directory %s: %w", dir, ErrInUse)
		}
		return nil, fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	return file, nil
}

// errLocked is what lockFile returns when somebody else holds the lock.
var errLocked = errors.New("locked")
