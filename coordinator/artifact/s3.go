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
	"path"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob" // opens s3://
	"gocloud.dev/gcerrors"
)

const (
	s3Time     = 30 * time.Second // for an operation that moves no picture
	s3Transfer = 10 * time.Minute // for reading a picture to its end
	s3Part     = 5 << 20          // bytes that one upload holds in memory, the least a part may have
)

// An s3 is blobs as objects of an S3-compatible bucket. An object appears when its upload is complete,
// so nothing has to be renamed.
type s3 struct{ bucket *blob.Bucket }

// openS3 opens a bucket that must be there already. Credentials come from where every AWS program finds
// them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, its files, or the machine's role.
func openS3(ctx context.Context, address string) (*s3, error) {
	bucket, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s3Time)
	defer cancel()
	if there, err := bucket.IsAccessible(ctx); err != nil || !there {
		return nil, errors.Join(errors.New("the bucket cannot be reached, or is not there"), err, bucket.Close())
	}
	return &s3{bucket}, nil
}

func (s *s3) close() error { return s.bucket.Close() }

// put streams the body. An upload whose context ends before it is closed leaves nothing.
func (s *s3) put(ctx context.Context, name, digest string, body io.Reader) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := s.bucket.NewWriter(ctx, name, &blob.WriterOptions{BufferSize: s3Part, MaxConcurrency: 1})
	if err != nil {
		return 0, err
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(w, sum), body)
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != digest {
		err = ErrDigest
	}
	if err != nil {
		cancel()
		_ = w.Close() // its error is that of the cancel
		return 0, err
	}
	return size, w.Close()
}

// An s3Reader asks for what is read only: a seek costs nothing until then.
type s3Reader struct {
	*blob.Reader
	cancel context.CancelFunc
}

func (r s3Reader) Close() error {
	defer r.cancel()
	return r.Reader.Close()
}

func (s *s3) open(name string) (io.ReadSeekCloser, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s3Transfer)
	r, err := s.bucket.NewReader(ctx, name, nil)
	if err != nil {
		cancel()
		return nil, missing(name, err)
	}
	return s3Reader{r, cancel}, nil
}

// missing makes a bucket's word for it fs.ErrNotExist.
func missing(name string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return err
}

func (s *s3) remove(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), s3Time)
	defer cancel()
	return ignoreMissing(missing(name, s.bucket.Delete(ctx, name)))
}

func (s *s3) removeAll(dir string) error {
	var problems error
	for key, err := range s.below(dir, "") {
		if err == nil {
			err = s.remove(key)
		}
		problems = errors.Join(problems, err)
	}
	return problems
}

func (s *s3) list(dir string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range s.below(dir, "/") {
			if !yield(path.Base(key), err) {
				return
			}
		}
	}
}

// below yields the keys that begin with the directory, cut after the delimiter. A page of a listing has
// 1,000 of them.
func (s *s3) below(dir, delimiter string) iter.Seq2[string, error] {
	prefix := dir + "/"
	if dir == "." {
		prefix = ""
	}
	return func(yield func(string, error) bool) {
		objects := s.bucket.List(&blob.ListOptions{Prefix: prefix, Delimiter: delimiter})
		for {
			ctx, cancel := context.WithTimeout(context.Background(), s3Time)
			object, err := objects.Next(ctx)
			cancel()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield("", fmt.Errorf("list %s: %w", dir, err))
				return
			}
			if !yield(object.Key, nil) {
				return
			}
		}
	}
}
