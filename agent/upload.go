package agent

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/backoff"
)

const uploadTry = 5 * time.Minute // for one PUT

// uploadPauses end soon: a coordinator that came back should have its images soon. Nodes that lost
// one coordinator at the same moment come back at different ones.
var uploadPauses = backoff.Policy{Base: 250 * time.Millisecond, Limit: 5 * time.Second, Jitter: 1}

// uploader PUTs finished images to the addresses of their assignments.
type uploader struct {
	endpoint *endpoint
	log      *slog.Logger
}

// delivery sends the images of one attempt, in order, beside the making of later ones.
type delivery struct {
	ctx    context.Context // ends when an image cannot be delivered, so that no more are made
	cancel context.CancelCauseFunc
	queue  chan keptImage
	group  sync.WaitGroup
	failed error // valid after group.Wait
}

// deliver starts a delivery. Its finish must be called.
func (u *uploader) deliver(ctx context.Context, e *entry) *delivery {
	d := &delivery{queue: make(chan keptImage, api.MaxImages)}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	assign, dir := e.Assign, e.dir
	d.group.Go(func() {
		for image := range d.queue {
			if d.failed != nil {
				continue
			}
			if d.failed = u.put(d.ctx, assign, dir, image); d.failed != nil {
				d.cancel(d.failed)
			}
		}
	})
	return d
}

// add never blocks: the queue has room for every image an attempt can have.
func (d *delivery) add(image keptImage) { d.queue <- image }

// finish waits until everything added is delivered.
func (d *delivery) finish() error {
	close(d.queue)
	d.group.Wait()
	d.cancel(nil)
	return d.failed
}

// put delivers one image, for as long as it takes: a coordinator that is away comes back. It fails
// when ctx ends, when nobody wants the image any more, or when it is refused.
func (u *uploader) put(ctx context.Context, assign api.Assign, dir string, image keptImage) error {
	pause := backoff.Backoff{Policy: uploadPauses}
	for {
		again, err := u.try(ctx, assign, dir, image)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !again {
			return err
		}
		if pause.Failures() == 0 {
			u.log.Warn("upload is tried again", "job", assign.Job, "attempt", assign.Number, "image", image.Index, "error", err)
		}
		pause.Wait(ctx)
	}
}

// try is one PUT. Again reports whether another one may succeed.
func (u *uploader) try(ctx context.Context, assign api.Assign, dir string, image keptImage) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, uploadTry)
	defer cancel()
	target, err := u.target(assign, image.Index)
	if err != nil {
		return false, err
	}
	body, err := os.Open(filepath.Join(dir, image.Name))
	if err != nil {
		return false, api.Errorf(api.CodeUploadFailed, "image %d is gone from the spool: %v", image.Index, err)
	}
	defer body.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, target.String(), body)
	if err != nil {
		return false, api.Errorf(api.CodeUploadFailed, "upload address: %v", err)
	}
	sum, err := hex.DecodeString(image.SHA256)
	if err != nil {
		return false, api.Errorf(api.CodeUploadFailed, "digest of image %d: %v", image.Index, err)
	}
	request.ContentLength = image.Bytes
	request.Header.Set("Authorization", "Bearer "+assign.Ticket)
	request.Header.Set("Content-Type", image.Type)
	request.Header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	response, err := u.endpoint.clientFor(target).Do(request)
	if err != nil {
		return true, withoutURL(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 512)) // read, so that the connection is used again
	return interpret(response.StatusCode, text)
}

// target resolves the assignment's address against the coordinator's.
func (u *uploader) target(assign api.Assign, index int) (*url.URL, error) {
	return u.resolve(strings.ReplaceAll(assign.Upload, "{index}", strconv.Itoa(index)))
}

func (u *uploader) resolve(address string) (*url.URL, error) {
	target, err := u.endpoint.base.Parse(address)
	if err != nil || (target.Scheme != "http" && target.Scheme != "https") || target.Host == "" {
		return nil, api.Errorf(api.CodeUploadFailed, "the assignment has an address that is not an http address")
	}
	return target, nil
}

// withoutURL takes the address out of an error of net/http: it may carry a ticket.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// interpret makes an error of an answer, and reports whether trying again may help.
func interpret(status int, text []byte) (again bool, err error) {
	switch {
	case status >= 200 && status < 300:
		return false, nil
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return true, fmt.Errorf("the coordinator answered %d", status)
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusGone:
		return false, fmt.Errorf("%w: it answered an upload with %d", errDropped, status)
	}
	return false, api.Errorf(api.CodeUploadFailed, "the coordinator refused an image: %d %s", status, strings.ToValidUTF8(strings.TrimSpace(string(text)), ""))
}
