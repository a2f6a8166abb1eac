package coordinator

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
)

// artifacts keeps pictures: finished images as job/attempt/index.digest, what came with a request as
// inputs/job/digest, what was uploaded for later as pictures/id. The digest is in an image's name so
// that two uploads of one index cannot replace each other between the write and the record.
type artifacts struct{ blobs blobs }

// blobs are files by slash-separated names: below a directory, or in an S3-compatible bucket. Names
// satisfy fs.ValidPath. A file that is not there is fs.ErrNotExist to open and fine to remove.
type blobs interface {
	// put stores what body holds if its SHA-256 is digest (lower-case hex), else returns errDigest. The
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

// errDigest says that what came is not what the sender said it would be.
var errDigest = errors.New("the body does not match its Content-Digest")

// openArtifacts opens a directory, which is made when missing, or a bucket as in
// "s3://bucket?region=...&endpoint=https://...&s3ForcePathStyle=true&prefix=easel/".
func openArtifacts(ctx context.Context, where string) (*artifacts, error) {
	var store blobs
	var err error
	switch scheme, _, isURL := strings.Cut(where, "://"); {
	case !isURL:
		store, err = openDirectory(where)
	case scheme == "s3":
		store, err = openS3(ctx, where)
	default:
		err = fmt.Errorf("got %s://, want a directory or s3://", scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("open artifacts: %w", err)
	}
	return &artifacts{store}, nil
}

func (a *artifacts) close() error { return a.blobs.close() }

func imageName(at api.Attempt, index int, digest string) string {
	return path.Join(at.Job, strconv.Itoa(at.Number), strconv.Itoa(index)+"."+digest)
}

// store puts a file under a name that is one.
func (a *artifacts) store(ctx context.Context, name, digest string, body io.Reader) (int64, error) {
	if !fs.ValidPath(name) {
		return 0, &fs.PathError{Op: "store", Path: name, Err: fs.ErrInvalid}
	}
	return a.blobs.put(ctx, name, digest, body)
}

// put stores an image if its SHA-256 is digest, and returns its length.
func (a *artifacts) put(ctx context.Context, at api.Attempt, index int, digest string, body io.Reader) (int64, error) {
	size, err := a.store(ctx, imageName(at, index, digest), digest, body)
	if err != nil {
		return 0, fmt.Errorf("store image: %w", err)
	}
	return size, nil
}

func (a *artifacts) open(at api.Attempt, index int, digest string) (io.ReadSeekCloser, error) {
	return a.blobs.open(imageName(at, index, digest))
}

// remove deletes one image, as after an upload whose attempt ended meanwhile.
func (a *artifacts) remove(at api.Attempt, index int, digest string) error {
	return a.blobs.remove(imageName(at, index, digest))
}

// keepOnly deletes the images of every attempt of a job but one; attempt 0 keeps none.
func (a *artifacts) keepOnly(at api.Attempt) error {
	if at.Number == 0 {
		return a.blobs.removeAll(at.Job)
	}
	var problems error
	for name, err := range a.blobs.list(at.Job) {
		if err == nil && name != strconv.Itoa(at.Number) {
			err = a.blobs.removeAll(path.Join(at.Job, name))
		}
		problems = errors.Join(problems, err)
	}
	return problems
}

// inputName is where a picture that came with a job's request is kept until the job is settled. No
// job's name is "inputs".
func inputName(job, digest string) string { return path.Join("inputs", job, digest) }

// putInput stores a picture under its digest. The same picture again changes nothing.
func (a *artifacts) putInput(ctx context.Context, job string, body []byte) error {
	digest := hashHex(body)
	if _, err := a.store(ctx, inputName(job, digest), digest, bytes.NewReader(body)); err != nil {
		return fmt.Errorf("store input: %w", err)
	}
	return nil
}

func (a *artifacts) openInput(job, digest string) (io.ReadSeekCloser, error) {
	return a.blobs.open(inputName(job, digest))
}

func (a *artifacts) removeInputs(job string) error {
	return a.blobs.removeAll(path.Join("inputs", job))
}

// sweepInputs deletes the pictures of jobs that are not open: what a sudden end left between the
// pictures and the record, or between a job's last record and its tidying. A request that was never
// answered brings its pictures again.
func (a *artifacts) sweepInputs(open func(job string) bool) error {
	var problems error
	for name, err := range a.blobs.list("inputs") {
		if err == nil && !open(name) {
			err = a.removeInputs(name)
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
