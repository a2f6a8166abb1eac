package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	s3PartTime = 3 * time.Minute // for a part of an upload
	s3Part     = 5 << 20         // bytes that one upload holds in memory, the least a part may have
)

// put sends what fits into one part as one request, once its digest is known to be right, and more in
// parts, which nobody sees before the upload is completed. One that fails leaves nothing.
func (s *s3) put(ctx context.Context, name, digest string, body io.Reader) (int64, error) {
	u := s3Upload{s3: s, key: s.prefix + name}
	size, err := u.send(ctx, digest, body)
	if err != nil {
		return 0, errors.Join(err, u.abort(ctx))
	}
	return size, nil
}

// An s3Upload is one object on its way.
type s3Upload struct {
	*s3
	key   string
	id    string // of the upload in parts; "" while there is none
	parts []minio.CompletePart
}

// send reads one part of the body at a time, and sends it before it reads the next.
func (u *s3Upload) send(ctx context.Context, digest string, body io.Reader) (int64, error) {
	sum, part, size := sha256.New(), make([]byte, s3Part), int64(0)
	for {
		n, err := readPart(body, part)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return 0, err
		}
		sum.Write(part[:n])
		size += int64(n)
		if !last {
			if err := u.add(ctx, part); err != nil {
				return 0, err
			}
			continue
		}
		if hex.EncodeToString(sum.Sum(nil)) != digest {
			return 0, ErrDigest
		}
		return size, u.finish(ctx, part[:n], digest)
	}
}

// readPart fills a part as far as the body goes, and returns io.EOF with its last bytes, perhaps none.
// Another reader's end in the middle, io.ErrUnexpectedEOF, stays an error.
func readPart(body io.Reader, part []byte) (n int, err error) {
	for n < len(part) && err == nil {
		var more int
		more, err = body.Read(part[n:])
		n += more
	}
	return n, err
}

// add sends a part that is not the last. The first one begins the upload.
func (u *s3Upload) add(ctx context.Context, part []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s3PartTime)
	defer cancel()
	if u.id == "" {
		id, err := u.client.NewMultipartUpload(ctx, u.bucket, u.key, u.kept)
		if err != nil {
			return err
		}
		u.id = id
	}
	sum := sha256.Sum256(part)
	sent, err := u.client.PutObjectPart(ctx, u.bucket, u.key, u.id, len(u.parts)+1, bytes.NewReader(part), int64(len(part)),
		minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:]), DisableContentSha256: true})
	if err != nil {
		return err
	}
	u.parts = append(u.parts, minio.CompletePart{PartNumber: sent.PartNumber, ETag: sent.ETag})
	return nil
}

// finish sends the last part, which may be empty, and makes the object appear.
func (u *s3Upload) finish(ctx context.Context, part []byte, digest string) error {
	if u.id != "" && len(part) > 0 {
		if err := u.add(ctx, part); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s3PartTime) // a store may take a while to join many parts
	defer cancel()
	if u.id != "" {
		_, err := u.client.CompleteMultipartUpload(ctx, u.bucket, u.key, u.id, u.parts, u.kept)
		return err
	}
	options := u.kept
	options.DisableContentSha256 = true // of chunks: the whole has one
	_, err := u.client.PutObject(ctx, u.bucket, u.key, bytes.NewReader(part), int64(len(part)), "", digest, options)
	return err
}

// abort removes the parts that were sent, also when the reason is that nobody waits any more.
func (u *s3Upload) abort(ctx context.Context) error {
	if u.id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s3Time)
	defer cancel()
	err := u.client.AbortMultipartUpload(ctx, u.bucket, u.key, u.id)
	if minio.ToErrorResponse(err).Code == minio.NoSuchUpload { // it was completed and the answer got lost
		return nil
	}
	return err
}
