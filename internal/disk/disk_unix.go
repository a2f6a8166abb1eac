//go:build !windows

package disk

import (
	"errors"
	"os"
	"syscall"
)

// lock uses flock(2), which belongs to the open file: a second open in one process conflicts too.
func lock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// syncDirectory makes a rename in a directory durable. Some network file systems cannot sync a
// directory and return EINVAL or ENOTSUP.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
