// Package disk owns the two promises that a file system does not make by itself: a file is replaced
// whole or not at all, and a file is locked by at most one process.
package disk

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes a file whole or not at all: a reader sees the old content or the new one, also
// after a crash or a power cut. The content goes into a temporary file in the same directory, which
// is synced and renamed; then the directory is synced, where the system can do that. The permissions
// are those of a new file, before the umask, also when the file existed before.
//
// After an error the file is as it was and nothing else is left. The one exception is a directory
// that cannot be synced: the new content is there, and may be gone after a power cut. Errors are
// *fs.PathError with the name that was given.
func WriteFile(name string, body []byte, perm fs.FileMode) error {
	temporary := filepath.Join(filepath.Dir(name), ".easel-"+rand.Text()+".part")
	if err := writeNew(temporary, body, perm); err != nil {
		_ = os.Remove(temporary)
		return named("write", name, err)
	}
	if err := os.Rename(temporary, name); err != nil {
		_ = os.Remove(temporary)
		return named("write", name, err)
	}
	if err := syncDirectory(filepath.Dir(name)); err != nil {
		return named("sync the directory of", name, err)
	}
	return nil
}

// writeNew makes a file that is not there yet and syncs it.
func writeNew(name string, body []byte, perm fs.FileMode) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	return errors.Join(err, file.Sync(), file.Close())
}

// named replaces the name of the temporary file, which means nothing to anybody, by the one asked for.
func named(operation, name string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return &fs.PathError{Op: operation, Path: name, Err: err}
}
