package coordinator

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// keptPath begins the path of every picture that was uploaded for later.
const keptPath = "/easel/v1/pictures/"

// maxKept is how many pictures of one key's are kept at the same time.
const maxKept = 500

// A kept picture's id is OWNER-WHEN: a hash of its owner's name, and an id that says when it is over,
// so that nothing about it has to be written anywhere else.

// keptOwner is the directory of an owner's pictures.
func keptOwner(name string) string { return hashHex([]byte("owner of pictures\n" + name))[:16] }

func keptName(owner, when string) string { return path.Join("pictures", owner, when) }

// keepPicture stores a picture as long as links are valid and returns its signed address.
func (c *coordinator) keepPicture(ctx context.Context, r *http.Request, who string, picture []byte) (string, error) {
	in, err := api.ReadInput(picture)
	if err != nil {
		return "", api.Errorf(api.CodeInvalidRequest, "image: %v", err)
	}
	owner := keptOwner(who)
	n := 0
	for _, err := range c.artifacts.blobs.list(path.Join("pictures", owner)) {
		if err != nil {
			return "", fmt.Errorf("keep picture: %w", err)
		}
		if n++; n >= maxKept {
			return "", &api.Error{
				Code:       api.CodeQuotaExceeded,
				Message:    fmt.Sprintf("image: %d pictures of this key are kept, want fewer before another", maxKept),
				RetryAfter: int(sweepEvery / time.Second),
			}
		}
	}
	when := newJobID(time.Now().Add(c.config.LinkValid))
	if _, err := c.artifacts.store(ctx, keptName(owner, when), in.SHA256, bytes.NewReader(picture)); err != nil {
		return "", fmt.Errorf("keep picture: %w", err)
	}
	return c.base(r) + c.signer.keptPath(owner+"-"+when, strings.TrimPrefix(in.Type, "image/")), nil
}

// Keep implements dialect.Service.
func (s service) Keep(ctx context.Context, r *http.Request, who dialect.Caller, picture []byte) (string, error) {
	address, err := s.c.keepPicture(ctx, r, who.Name, picture)
	return address, s.told(err)
}

func (s signer) keptSignature(id string) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "easel picture 1\n%s", id)
	return hex.EncodeToString(mac.Sum(nil))
}

func (s signer) keptPath(id, ending string) string {
	return keptPath + id + "." + ending + "?" + url.Values{"signature": {s.keptSignature(id)}}.Encode()
}

// openKept opens a kept picture by the last part of its path and its signature.
func (c *coordinator) openKept(file string, query url.Values, now time.Time) (io.ReadSeekCloser, error) {
	id, _, _ := strings.Cut(file, ".")
	owner, when, _ := strings.Cut(id, "-")
	if subtle.ConstantTimeCompare([]byte(query.Get("signature")), []byte(c.signer.keptSignature(id))) != 1 {
		return nil, api.Errorf(api.CodeForbidden, "signature: it does not match this URL")
	}
	until, ok := timeOf(when)
	if !ok {
		return nil, api.Errorf(api.CodeNotFound, "there is no such picture")
	}
	gone := api.Errorf(api.CodeNotFound, "this picture was kept until %s", until.UTC().Format(time.RFC3339))
	if !now.Before(until) {
		return nil, gone
	}
	picture, err := c.artifacts.blobs.open(keptName(owner, when))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gone
	}
	return picture, err
}

// ownKept reads a kept picture by its address, whatever name we have there, and reports whether it is one.
func (c *coordinator) ownKept(u *url.URL) (picture []byte, ours bool, err error) {
	file, ok := strings.CutPrefix(u.Path, keptPath)
	if !ok {
		return nil, false, nil
	}
	body, err := c.openKept(file, u.Query(), time.Now())
	if told, ok := errors.AsType[*api.Error](err); ok && told.Code == api.CodeForbidden {
		return nil, false, nil // whoever may have signed it
	}
	if err != nil {
		return nil, true, err
	}
	defer body.Close()
	picture, err = io.ReadAll(io.LimitReader(body, api.MaxInputBytes))
	return picture, true, err
}

// showKept serves a kept picture to whoever has its address.
func (c *coordinator) showKept(w http.ResponseWriter, r *http.Request) {
	picture, err := c.openKept(r.PathValue("file"), r.URL.Query(), time.Now())
	if told, ok := errors.AsType[*api.Error](err); ok && told.Code == api.CodeNotFound {
		writeStatus(w, http.StatusGone, told)
		return
	}
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	defer picture.Close()
	start := make([]byte, 512)
	n, err := io.ReadFull(picture, start)
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		_, err = picture.Seek(0, io.SeekStart)
	}
	if err != nil {
		c.answer(w, r, nil, fmt.Errorf("read picture: %w", err))
		return
	}
	setTimes(w, transferTime, transferTime)
	id, _, _ := strings.Cut(r.PathValue("file"), ".")
	w.Header().Set("Content-Type", http.DetectContentType(start[:n]))
	w.Header().Set("ETag", `"`+id+`"`)
	w.Header().Set("Cache-Control", "private, max-age=3600")
	http.ServeContent(w, r, "", time.Time{}, picture)
}
