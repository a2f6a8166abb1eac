// Package artifact keeps pictures: finished images, what came with a request, and what was uploaded for
// later, in a directory or an S3-compatible bucket. It owns their names and the signed links to them, and
// knows nothing of the jobs they belong to but their names.
package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strconv"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/ident"
)

// A Store keeps finished images as job/attempt/index.digest, what came with a request as
// inputs/job/digest, what was uploaded for later as pictures/id. The digest is in an image's name so that
// two uploads of one index cannot replace each other between the write and the record.
type Store struct{ blobs blobs }

// blobs are files by slash-separated names: below a directory, or in an S3-compatible bucket. Names
// satisfy fs.ValidPath. A file that is not there is fs.ErrNotExist to open and fine to remove.
type blobs interface {
	// put stores what body holds if its SHA-256 is digest (lower-case hex), else returns ErrDigest. The
	// file appears under its name only when it is whole and durable. It returns the length.
	put(ctx context.Context, name, digest string, body io.Reader) (int64, error)
	open(name string) (io.ReadSeekCloser, error)
	remove(name string) error
	// removeAll removes everything below a name.
	removeAll(dir string) error
	// list yields what is directly below a name, in order; "." is the root.
	list(dir string) iter.Seq2[string, error]
	close() error
}

// ErrDigest means that a body is not what its sender announced.
var ErrDigest = errors.New("the body does not match its Content-Digest")

// Open opens a directory, which is made when missing, or a bucket as in
// "s3://bucket?region=...&endpoint=https://...&s3ForcePathStyle=true&prefix=easel/".
func Open(ctx context.Context, where string) (*Store, error) {
	var b blobs
	var err error
	switch scheme, _, isURL := strings.Cut(where, "://"); {
	case !isURL:
		b, err = openDirectory(where)
	case scheme == "s3":
		b, err = openS3(ctx, where)
	default:
		err = fmt.Errorf("got %s://, want a directory or s3://", scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("open artifacts: %w", err)
	}
	return &Store{b}, nil
}

// Close frees what Open took.
func (s *Store) Close() error { return s.blobs.close() }

func imageName(at api.Attempt, index int, digest string) string {
	return path.Join(at.Job, strconv.Itoa(at.Number), strconv.Itoa(index)+"."+digest)
}

// store puts a file under a name that is one.
func (s *Store) store(ctx context.Context, name, digest string, body io.Reader) (int64, error) {
	if !fs.ValidPath(name) {
		return 0, &fs.PathError{Op: "store", Path: name, Err: fs.ErrInvalid}
	}
	return s.blobs.put(ctx, name, digest, body)
}

// PutImage stores an image if its SHA-256 is digest, else returns ErrDigest. It returns the length.
func (s *Store) PutImage(ctx context.Context, at api.Attempt, index int, digest string, body io.Reader) (int64, error) {
	size, err := s.store(ctx, imageName(at, index, digest), digest, body)
	if err != nil {
		return 0, fmt.Errorf("store image: %w", err)
	}
	return size, nil
}

// OpenImage opens an image; one that is not kept is fs.ErrNotExist.
func (s *Store) OpenImage(at api.Attempt, index int, digest string) (io.ReadSeekCloser, error) {
	return s.blobs.open(imageName(at, index, digest))
}

// RemoveImage deletes one image, as after an upload whose attempt ended meanwhile.
func (s *Store) RemoveImage(at api.Attempt, index int, digest string) error {
	return s.blobs.remove(imageName(at, index, digest))
}

// KeepOnly deletes the images of every attempt of a job but one; attempt 0 keeps none.
func (s *Store) KeepOnly(at api.Attempt) error {
	if at.Number == 0 {
		return s.blobs.removeAll(at.Job)
	}
	var problems error
	for name, err := range s.blobs.list(at.Job) {
		if err == nil && name != strconv.Itoa(at.Number) {
			err = s.blobs.removeAll(path.Join(at.Job, name))
		}
		problems = errors.Join(problems, err)
	}
	return problems
}

// Jobs yields the names of the jobs that have images, the oldest first.
func (s *Store) Jobs() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name, err := range s.blobs.list(".") {
			if _, timed := ident.TimeOf(name); err == nil && !timed {
				continue // one of the other folders
			}
			if !yield(name, err) {
				return
			}
		}
	}
}

// inputName is where a picture that came with a job's request is kept until the job is settled. No
// job's name is "inputs".
func inputName(job, digest string) string { return path.Join("inputs", job, digest) }

// PutInput stores a picture under its digest. The same picture again changes nothing.
func (s *Store) PutInput(ctx context.Context, job string, body []byte) error {
	digest := ident.Digest(body)
	if _, err := s.store(ctx, inputName(job, digest), digest, bytes.NewReader(body)); err != nil {
		return fmt.Errorf("store input: %w", err)
	}
	return nil
}

// OpenInput opens a picture that came with a job's request.
func (s *Store) OpenInput(job, digest string) (io.ReadSeekCloser, error) {
	return s.blobs.open(inputName(job, digest))
}

// RemoveInputs deletes the pictures that came with a job's request.
func (s *Store) RemoveInputs(job string) error {
	return s.blobs.removeAll(path.Join("inputs", job))
}

// SweepInputs deletes the pictures of jobs that are not open: what a sudden end left between the
// pictures and the record, or between a job's last record and its tidying. A request that was never
// answered brings its pictures again.
func (s *Store) SweepInputs(open func(job string) bool) error {
	var problems error
	for name, err := range s.blobs.list("inputs") {
		if err == nil && !open(name) {
			err = s.RemoveInputs(name)
		}
		problems = errors.Join(problems, err)
	}
	return problems
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
