package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"
)

// An s3Reader reads an object. Opening it asks for the whole object, whose bytes come as they are read;
// a seek costs nothing, and the next read elsewhere asks for the rest from there.
type s3Reader struct {
	*s3
	name   string
	ctx    context.Context // bounds the whole reading
	cancel context.CancelFunc

	size int64
	etag string        // of what was opened, so that a range never comes from another object
	body io.ReadCloser // nil when the next read has to ask
	at   int64         // where body is
	want int64         // where the next read begins
}

// request asks for the bytes from an offset on.
func (r *s3Reader) request(from int64) error {
	var options minio.GetObjectOptions
	if from > 0 {
		if err := errors.Join(options.SetRange(from, 0), options.SetMatchETag(r.etag)); err != nil {
			return err
		}
	}
	body, info, _, err := r.client.GetObject(r.ctx, r.bucket, r.prefix+r.name, options)
	if err != nil {
		return missing(r.name, err)
	}
	if r.etag == "" {
		r.size, r.etag = info.Size, info.ETag
	}
	r.body, r.at = body, from
	return nil
}

func (r *s3Reader) Read(b []byte) (int, error) {
	if r.want >= r.size {
		return 0, io.EOF
	}
	if r.body != nil && r.at != r.want {
		r.body.Close()
		r.body = nil
	}
	if r.body == nil {
		if err := r.request(r.want); err != nil {
			return 0, err
		}
	}
	n, err := r.body.Read(b)
	r.at += int64(n)
	r.want = r.at
	if errors.Is(err, io.EOF) && r.at < r.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *s3Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.want
	case io.SeekEnd:
		offset += r.size
	default:
		return 0, fmt.Errorf("seek: no such whence: %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("seek: before the start")
	}
	r.want = offset
	return offset, nil
}

func (r *s3Reader) Close() error {
	defer r.cancel()
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}
