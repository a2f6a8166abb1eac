package coordinator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"

	"github.com/easelgrid/easel/api"
)

// artifacts keeps finished images as files named job/attempt/index.digest below one directory, which
// no name can leave. The digest is in the name so that two uploads of one index cannot replace each
// other between the write and the record.
type artifacts struct{ root *os.Root }

// errDigest says that what came is not what the sender said it would be.
var errDigest = errors.New("the body does not match its Content-Digest")

func openArtifacts(dir string) (*artifacts, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open artifacts: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open artifacts: %w", err)
	}
	return &artifacts{root}, nil
}

func (a *artifacts) close() error { return a.root.Close() }

func imageName(at api.Attempt, index int, digest string) string {
	return path.Join(at.Job, strconv.Itoa(at.Number), strconv.Itoa(index)+"."+digest)
}

// put stores what body holds if its SHA-256 is digest (lower-case hex), and returns its length. The
// file appears under its name only when it is whole and on the disk.
func (a *artifacts) put(ctx context.Context, at api.Attempt, index int, digest string, body io.Reader) (int64, error) {
	name := imageName(at, index, digest)
	if err := a.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return 0, fmt.Errorf("store image: %w", err)
	}
	part := fmt.Sprintf("%s.%s.part", name, randomHex(8))
	size, err := a.write(ctx, part, digest, body)
	if err == nil {
		err = a.root.Rename(part, name)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("store image: %w", err), ignoreMissing(a.root.Remove(part)))
	}
	a.syncDirectory(path.Dir(name))
	return size, nil
}

func (a *artifacts) write(ctx context.Context, name, digest string, body io.Reader) (int64, error) {
	file, err := a.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
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
		return 0, errDigest
	}
	if err := errors.Join(ctx.Err(), file.Sync()); err != nil {
		return 0, err
	}
	return size, file.Close()
}

// syncDirectory makes a rename durable where the system can; Windows cannot sync a directory and
// needs no telling.
func (a *artifacts) syncDirectory(name string) {
	if dir, err := a.root.Open(name); err == nil {
		_ = dir.Sync()
		dir.Close()
	}
}

func (a *artifacts) open(at api.Attempt, index int, digest string) (*os.File, error) {
	return a.root.Open(imageName(at, index, digest))
}

// remove deletes one image, as after an upload whose attempt ended meanwhile.
func (a *artifacts) remove(at api.Attempt, index int, digest string) error {
	return ignoreMissing(a.root.Remove(imageName(at, index, digest)))
}

// keepOnly deletes the images of every attempt of a job but one; attempt 0 keeps none.
func (a *artifacts) keepOnly(at api.Attempt) error {
	if at.Number == 0 {
		return a.root.RemoveAll(at.Job)
	}
	attempts, err := fs.ReadDir(a.root.FS(), at.Job)
	if err != nil {
		return ignoreMissing(err)
	}
	for _, dir := range attempts {
		if dir.Name() != strconv.Itoa(at.Number) {
			err = errors.Join(err, a.root.RemoveAll(path.Join(at.Job, dir.Name())))
		}
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
