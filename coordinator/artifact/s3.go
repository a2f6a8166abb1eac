package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	s3Time     = 30 * time.Second // for a request that moves no picture
	s3Transfer = 10 * time.Minute // for reading a picture to its end
)

// An s3 is blobs as objects of an S3-compatible bucket. An object appears when its upload is complete,
// so nothing has to be renamed. Every request has a time limit of its own.
type s3 struct {
	client *minio.Core
	bucket string
	prefix string                 // of every key
	kept   minio.PutObjectOptions // how objects are kept, as encrypted
	rest   func()                 // closes connections that nobody uses
}

// openS3 opens a bucket that must be there already.
func openS3(ctx context.Context, where string) (*s3, error) {
	address, err := parseS3(where)
	if err != nil {
		return nil, err
	}
	s, err := address.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.reachable(ctx); err != nil {
		s.rest()
		return nil, fmt.Errorf("the bucket cannot be reached, or is not there: %w", err)
	}
	return s, nil
}

func (s *s3) close() error {
	s.rest()
	return nil
}

// reachable asks for one name in the bucket, as the credentials must allow in any case.
func (s *s3) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s3Time)
	defer cancel()
	for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, MaxKeys: 1}) {
		return object.Err
	}
	return ctx.Err()
}

func (s *s3) open(name string) (io.ReadSeekCloser, error) {
	r := &s3Reader{s3: s, name: name}
	r.ctx, r.cancel = context.WithTimeout(context.Background(), s3Transfer)
	if err := r.request(0); err != nil {
		r.cancel()
		return nil, err
	}
	return r, nil
}

// missing makes the bucket's answer for an object that is not there fs.ErrNotExist.
func missing(name string, err error) error {
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return err
}

func (s *s3) remove(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), s3Time)
	defer cancel()
	err := s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{})
	return ignoreMissing(missing(name, err))
}

func (s *s3) removeAll(dir string) error {
	var problems error
	for name, err := range s.below(dir, true) {
		if err == nil {
			err = s.remove(name)
		}
		problems = errors.Join(problems, err)
	}
	return problems
}

func (s *s3) list(dir string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name, err := range s.below(dir, false) {
			if !yield(path.Base(name), err) {
				return
			}
		}
	}
}

var errSlowBucket = fmt.Errorf("the bucket did not answer within %v", s3Time)

// below yields the names that begin with the directory, all of them or those directly below it. The
// bucket sends them in pages of 1,000, each in the order of names, files before directories; none of
// our directories holds both. Time runs while the bucket is waited for, not while a name is used.
func (s *s3) below(dir string, all bool) iter.Seq2[string, error] {
	prefix := s.prefix + dir + "/"
	if dir == "." {
		prefix = s.prefix
	}
	return func(yield func(string, error) bool) {
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		limit := time.AfterFunc(s3Time, func() { cancel(errSlowBucket) })
		defer limit.Stop()
		for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: all}) {
			if !limit.Stop() || object.Err != nil {
				yield("", fmt.Errorf("list %s: %w", dir, errors.Join(object.Err, context.Cause(ctx))))
				return
			}
			if !yield(object.Key[len(s.prefix):], nil) {
				return
			}
			limit.Reset(s3Time)
		}
		if err := context.Cause(ctx); err != nil { // which ends the listing without an error
			yield("", fmt.Errorf("list %s: %w", dir, err))
		}
	}
}
