package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"

	"github.com/easelgrid/easel/internal/ident"
)

// A directory is blobs as files below one directory, which no name can leave. gocloud.dev has such a
// driver too; it writes a second file beside each for attributes that we have in the record, syncs
// nothing, and follows links out of its directory.
type directory struct{ root *os.Root }

func openDirectory(dir string) (directory, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return directory{}, err
	}
	root, err := os.OpenRoot(dir)
	return directory{root}, err
}

func (d directory) close() error { return d.root.Close() }

func (d directory) put(ctx context.Context, name, digest string, body io.Reader) (int64, error) {
	if err := d.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return 0, err
	}
	part := fmt.Sprintf("%s.%s.part", name, ident.Hex(8))
	size, err := d.write(ctx, part, digest, body)
	if err == nil {
		err = d.root.Rename(part, name)
	}
	if err != nil {
		return 0, errors.Join(err, ignoreMissing(d.root.Remove(part)))
	}
	d.sync(path.Dir(name))
	return size, nil
}

func (d directory) write(ctx context.Context, name, digest string, body io.Reader) (int64, error) {
	file, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, sum), body)
	if err != nil {
		return 0, err
	}
	if hex.EncodeToString(sum.Sum(nil)) != digest {
		return 0, ErrDigest
	}
	if err := errors.Join(ctx.Err(), file.Sync()); err != nil {
		return 0, err
	}
	return size, file.Close()
}

// sync makes a rename durable where the system can; Windows cannot sync a directory and needs no
// telling.
func (d directory) sync(name string) {
	if dir, err := d.root.Open(name); err == nil {
		_ = dir.Sync()
		dir.Close()
	}
}

func (d directory) open(name string) (io.ReadSeekCloser, error) {
	file, err := d.root.Open(name)
	if err != nil { // and not a nil *os.File in an interface
		return nil, err
	}
	return file, nil
}

func (d directory) remove(name string) error { return ignoreMissing(d.root.Remove(name)) }

func (d directory) removeAll(dir string) error { return ignoreMissing(d.root.RemoveAll(dir)) }

func (d directory) list(dir string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		entries, err := fs.ReadDir(d.root.FS(), dir)
		if err = ignoreMissing(err); err != nil {
			yield("", err)
			return
		}
		for _, e := range entries {
			if !yield(e.Name(), nil) {
				return
			}
		}
	}
}
