package httpapi

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/job"
)

// maxImage is the most bytes one image file may have.
const maxImage = 64 << 20

// imageTypes are the files that are stored, by their first bytes.
var imageTypes = []string{"image/png", "image/jpeg", "image/webp"}

// storeImage takes one image of the current attempt. The ticket is checked before a byte is read,
// the bytes are on the disk before the record names them, and the same PUT again is fine.
func (s *server) storeImage(w http.ResponseWriter, r *http.Request) {
	record, at, err := s.attempt(r)
	if err == nil {
		setTimes(w, transferTime, transferTime)
		err = s.takeImage(w, r, record, at)
	}
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) takeImage(w http.ResponseWriter, r *http.Request, record job.Record, at api.Attempt) error {
	index, err := strconv.Atoi(r.PathValue("index"))
	if err != nil || index < 0 || index >= record.Job.Spec.N {
		return invalid("index", api.Quote(r.PathValue("index")), fmt.Sprintf("0 to %d", record.Job.Spec.N-1))
	}
	digest, err := contentDigest(r.Header.Get("Content-Digest"))
	if err != nil {
		return err
	}
	if r.ContentLength > maxImage {
		return errImageTooLarge
	}
	body := bufio.NewReader(http.MaxBytesReader(w, r.Body, maxImage))
	start, _ := body.Peek(512)
	kind := http.DetectContentType(start)
	if !slices.Contains(imageTypes, kind) {
		return invalid("body", kind, "an image: "+strings.Join(imageTypes, ", "))
	}
	size, err := s.Artifacts.PutImage(r.Context(), at, index, digest, body)
	if err != nil {
		return uploadError(err)
	}
	width, height := record.Job.Spec.FinishedSize()
	return s.deliver(r, at, api.Image{
		Index: index, Seed: record.Job.Spec.Seed + int64(index), Width: width, Height: height,
		SHA256: digest, Bytes: size, Type: kind,
	})
}

// deliver names the stored image in the record. When the record does not take it the file goes too,
// unless the record names it already: the same PUT may come twice, and one of the two may end when the
// job has succeeded with the other.
func (s *server) deliver(r *http.Request, at api.Attempt, image api.Image) error {
	now, err := s.Jobs.Change(r.Context(), at.Job, func(r *job.Record) error { return r.Deliver(at.Number, image) })
	if err == nil || errors.Is(err, job.ErrUnchanged) {
		return nil
	}
	named := now.Job.Attempt == at.Number && now.Delivered(image)
	if !named && !job.StorageFailed(err) { // after a failure of storage the record may name it all the same
		if err := s.Artifacts.RemoveImage(at, image.Index, image.SHA256); err != nil {
			s.Log.Warn("image of an ended attempt stays on disk", "job", at.Job, "error", err)
		}
	}
	if errors.Is(err, job.ErrStale) {
		return job.ErrAttemptEnded
	}
	return err
}

var errImageTooLarge = api.Errorf(api.CodeTooLarge, "body: got more than %d bytes, want at most %d", maxImage, maxImage)

// uploadError sorts out whose fault it is that an image was not stored.
func uploadError(err error) error {
	if _, exceeded := errors.AsType[*http.MaxBytesError](err); exceeded {
		return errImageTooLarge
	}
	if errors.Is(err, artifact.ErrDigest) {
		return api.Errorf(api.CodeInvalidRequest, "Content-Digest: it does not match the body")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) {
		return api.Errorf(api.CodeInvalidRequest, "body: it did not arrive whole")
	}
	return err
}

// contentDigest reads "sha-256=:BASE64:" (RFC 9530) and returns the digest in hex.
func contentDigest(header string) (string, error) {
	for part := range strings.SplitSeq(header, ",") {
		text, ok := strings.CutPrefix(strings.TrimSpace(part), "sha-256=:")
		if !ok {
			continue
		}
		text, ok = strings.CutSuffix(text, ":")
		sum, err := base64.StdEncoding.DecodeString(text)
		if ok && err == nil && len(sum) == sha256.Size {
			return hex.EncodeToString(sum), nil
		}
	}
	return "", invalid("Content-Digest", api.Quote(header), "sha-256=:BASE64:")
}
