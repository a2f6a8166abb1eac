package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// ErrLocked is the error of a lock that another process, or another part of this one, holds.
var ErrLocked = errors.New("locked")

// Lock takes an exclusive lock on a file, which is made when absent (mode 0600) and never removed.
// It does not wait: a lock that is held gives ErrLocked. Closing it releases it, and the system does
// so when the process ends, however it ends, so the file by itself means nothing.
func Lock(name string) (io.Closer, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		_ = file.Close()
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	return file, nil
}
