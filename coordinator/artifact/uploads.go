package artifact

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/ident"
)

// uploadsPath begins the path of every picture that was uploaded for later.
const uploadsPath = "/easel/v1/pictures/"

const (
	maxUploads   = 500       // pictures of one key, at the same time
	uploadsRetry = time.Hour // when a key that has as many may come again
)

// Uploads are the pictures that clients upload for later requests. One works as long as a link does.
//
// A picture's id is OWNER-WHEN: a hash of its owner's name, and a name that holds when it expires, so that
// nothing about it has to be written anywhere else.
type Uploads struct {
	store *Store
	links Links
}

// NewUploads are those in a store.
func NewUploads(s *Store, l Links) Uploads { return Uploads{s, l} }

// ownerOf is the folder of an owner's pictures.
func ownerOf(name string) string { return ident.Digest([]byte("owner of pictures\n" + name))[:16] }

func uploadName(owner, when string) string { return path.Join("pictures", owner, when) }

// Keep stores a picture of the owner's and returns its signed path.
func (u Uploads) Keep(ctx context.Context, owner string, picture []byte, now time.Time) (string, error) {
	in, err := api.ReadInput(picture)
	if err != nil {
		return "", api.Errorf(api.CodeInvalidRequest, "image: %v", err)
	}
	owner = ownerOf(owner)
	n := 0
	for _, err := range u.store.blobs.list(path.Join("pictures", owner)) {
		if err != nil {
			return "", fmt.Errorf("keep picture: %w", err)
		}
		if n++; n >= maxUploads {
			return "", &api.Error{
				Code:       api.CodeQuotaExceeded,
				Message:    fmt.Sprintf("image: %d pictures of this key are kept, want fewer before another", maxUploads),
				RetryAfter: int(uploadsRetry / time.Second),
			}
		}
	}
	when := ident.Timed(now.Add(u.links.valid))
	if _, err := u.store.store(ctx, uploadName(owner, when), in.SHA256, bytes.NewReader(picture)); err != nil {
		return "", fmt.Errorf("keep picture: %w", err)
	}
	id := owner + "-" + when
	query := url.Values{"signature": {u.signature(id)}}
	return uploadsPath + id + "." + strings.TrimPrefix(in.Type, "image/") + "?" + query.Encode(), nil
}

func (u Uploads) signature(id string) string { return u.links.sign("easel picture 1\n%s", id) }

// Open opens a picture by the last part of its path and its signature. One that has expired is an error
// with the code not_found.
func (u Uploads) Open(file string, query url.Values, now time.Time) (io.ReadSeekCloser, error) {
	id := UploadID(file)
	owner, when, _ := strings.Cut(id, "-")
	if subtle.ConstantTimeCompare([]byte(query.Get("signature")), []byte(u.signature(id))) != 1 {
		return nil, errSignature
	}
	until, ok := ident.TimeOf(when)
	if !ok {
		return nil, api.Errorf(api.CodeNotFound, "there is no such picture")
	}
	expired := api.Errorf(api.CodeNotFound, "this picture was kept until %s", until.UTC().Format(time.RFC3339))
	if !now.Before(until) {
		return nil, expired
	}
	picture, err := u.store.blobs.open(uploadName(owner, when))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, expired
	}
	return picture, err
}

// UploadID is the id of the picture in the last part of its path.
func UploadID(file string) string {
	id, _, _ := strings.Cut(file, ".")
	return id
}

// Read reads a picture by its address, whatever name we have there, and reports whether it is one of ours.
func (u Uploads) Read(at *url.URL, now time.Time) (picture []byte, ours bool, err error) {
	file, ok := strings.CutPrefix(at.Path, uploadsPath)
	if !ok {
		return nil, false, nil
	}
	body, err := u.Open(file, at.Query(), now)
	if errors.Is(err, errSignature) {
		return nil, false, nil // it may be anybody's
	}
	if err != nil {
		return nil, true, err
	}
	defer body.Close()
	picture, err = io.ReadAll(io.LimitReader(body, api.MaxInputBytes))
	return picture, true, err
}

// Sweep deletes what has expired, of each owner the oldest first, and returns how many pictures that were.
func (u Uploads) Sweep(ctx context.Context, now time.Time) (n int, problems error) {
	for owner, err := range u.store.blobs.list("pictures") {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return n, errors.Join(problems, fmt.Errorf("sweep pictures: %w", err))
		}
		for when, err := range u.store.blobs.list(path.Join("pictures", owner)) {
			until, ok := ident.TimeOf(UploadID(when)) // a file that is being written ends in .part
			if err == nil && ok && now.Before(until) {
				break
			}
			if err == nil {
				err = u.store.blobs.remove(uploadName(owner, when))
			}
			if err != nil {
				problems = errors.Join(problems, err)
				continue
			}
			n++
		}
	}
	return n, problems
}
