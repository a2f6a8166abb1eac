package coordinator

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// maxImage is the most bytes one image file may have.
const maxImage = 64 << 20

// imageTypes are the files that are stored, by what their first bytes say they are.
var imageTypes = []string{"image/png", "image/jpeg", "image/webp"}

// uploadPath is where the images of an attempt are PUT.
func uploadPath(a api.Attempt) string {
	return fmt.Sprintf("/easel/v1/jobs/%s/attempts/%d/images/{index}", a.Job, a.Number)
}

func hashTicket(ticket string) []byte {
	sum := sha256.Sum256([]byte(ticket))
	return sum[:]
}

// storeImage takes one image of the current attempt. The ticket is checked before a byte is read,
// the bytes are on the disk before the record names them, and the same PUT again is fine.
func (c *coordinator) storeImage(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.Atoi(r.PathValue("attempt"))
	if err != nil {
		writeError(w, api.Errorf(api.CodeNotFound, "there is no attempt %s", api.Quote(r.PathValue("attempt"))))
		return
	}
	at := api.Attempt{Job: r.PathValue("id"), Number: number}
	record, _, _, err := c.jobs.find(r.Context(), at.Job)
	if err == nil {
		err = mayUpload(record, at, bearer(r))
	}
	if err == nil {
		setTimes(w, transferTime, transferTime)
		err = c.takeImage(w, r, record, at)
	}
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// mayUpload checks the attempt and its ticket.
func mayUpload(r record, at api.Attempt, ticket string) error {
	switch {
	case ticket == "":
		return errNoKey
	case r.Job.Attempt != at.Number || !r.live(at, r.Job.NodeID):
		return errAttemptOver
	case subtle.ConstantTimeCompare(hashTicket(ticket), r.Ticket) != 1:
		return api.Errorf(api.CodeUnauthorized, "Authorization: the ticket is not this attempt's")
	}
	return nil
}

var errAttemptOver = &api.Error{Code: api.CodeConflict, Message: "the attempt is over: its images are no longer wanted"}

func (c *coordinator) takeImage(w http.ResponseWriter, r *http.Request, record record, at api.Attempt) error {
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
	size, err := c.artifacts.put(r.Context(), at, index, digest, body)
	if err != nil {
		return uploadError(err)
	}
	width, height := record.Job.Spec.FinishedSize()
	return c.deliver(r, at, api.Image{
		Index: index, Seed: record.Job.Spec.Seed + int64(index), Width: width, Height: height,
		SHA256: digest, Bytes: size, Type: kind,
	})
}

// deliver names the stored image in the record. When the record does not take it the file goes too,
// unless the record names it already: the same PUT may come twice, and one of the two may end when the
// job has succeeded with the other.
func (c *coordinator) deliver(r *http.Request, at api.Attempt, image api.Image) error {
	now, err := c.jobs.change(r.Context(), at.Job, func(r *record) error { return r.deliver(at.Number, image) })
	if err == nil || errors.Is(err, errSame) {
		return nil
	}
	named := now.Job.Attempt == at.Number && delivered(now.Job.Images, image)
	if !named && !isStorage(err) { // after a failure of storage the record may name it all the same
		if err := c.artifacts.remove(at, image.Index, image.SHA256); err != nil {
			c.log.Warn("image of an ended attempt stays on disk", "job", at.Job, "error", err)
		}
	}
	if errors.Is(err, errStale) {
		return errAttemptOver
	}
	return err
}

var errImageTooLarge = api.Errorf(api.CodeTooLarge, "body: got more than %d bytes, want at most %d", maxImage, maxImage)

// uploadError sorts out whose fault it is that an image was not stored.
func uploadError(err error) error {
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return errImageTooLarge
	}
	if errors.Is(err, errDigest) {
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

// showImage serves an image to whoever has a signed URL or an API key.
func (c *coordinator) showImage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	number, _, _ := strings.Cut(r.PathValue("index"), ".") // links end as the file's name would
	index, err := strconv.Atoi(number)
	if err != nil {
		writeError(w, errNoImage(r))
		return
	}
	record, job, _, missing := c.jobs.find(r.Context(), id)
	if missing != nil {
		record.Job = api.Job{} // the same answer as for a job that is somebody else's
	}
	if err := c.maySee(r, record, id, index); err != nil {
		c.answer(w, r, nil, err)
		return
	}
	if missing != nil {
		c.answer(w, r, nil, missing)
		return
	}
	i := slices.IndexFunc(job.Images, func(image api.Image) bool { return image.Index == index })
	if i < 0 {
		c.answerMissing(w, r, job, index)
		return
	}
	c.serveImage(w, r, job, job.Images[i])
}

// maySee checks the signature and, when that does not do, the key. The signature's error is the one
// to tell when there is a signature.
func (c *coordinator) maySee(r *http.Request, record record, id string, index int) error {
	query := r.URL.Query()
	signed := c.signed(record, id, index, query, time.Now())
	if signed == nil {
		return nil
	}
	who, err := c.keys.caller(bearer(r), time.Now())
	if err == nil && record.Job.ID != "" && !mayUse(who.Name, who.Role == roleAdmin, record) {
		err = errNoJob(id)
	}
	if err != nil && query.Has("signature") {
		return signed
	}
	return err
}

// signed checks the signature of a link to an image. It works as long after the job is settled as it does
// after the job was submitted: until then there is nothing to fetch.
func (c *coordinator) signed(record record, id string, index int, query url.Values, now time.Time) error {
	var since time.Time
	if record.Job.State.Terminal() {
		since = record.Job.UpdatedAt
	} else if record.Job.ID != "" {
		since = now
	}
	return c.signer.check(id, index, query, since.Add(c.config.LinkValid), now)
}

// answerMissing says that there is no such image, not yet or not at all. A client that has the link
// from its submission may ask again.
func (c *coordinator) answerMissing(w http.ResponseWriter, r *http.Request, job api.Job, index int) {
	w.Header().Set("Cache-Control", "no-store")
	e := errNoImage(r)
	switch {
	case index < 0 || index >= job.Spec.N:
	case !job.State.Terminal():
		_, eta := service{c}.Waiting(r.Context())
		e = api.Errorf(api.CodeNotFound, "image %d is not made yet: the job is %s", index, job.State)
		e.RetryAfter = max(1, min(seconds(eta), 60))
	case job.State != api.StateSucceeded:
		e = api.Errorf(api.CodeNotFound, "image %d was not made: the job %s", index, job.State)
	}
	writeError(w, e)
}

func errNoImage(r *http.Request) *api.Error {
	return api.Errorf(api.CodeNotFound, "this job has no image %s", api.Quote(r.PathValue("index")))
}

func (c *coordinator) serveImage(w http.ResponseWriter, r *http.Request, job api.Job, image api.Image) {
	file, err := c.artifacts.open(api.Attempt{Job: job.ID, Number: job.Attempt}, image.Index, image.SHA256)
	if errors.Is(err, fs.ErrNotExist) {
		writeStatus(w, http.StatusGone, c.imageGone(job, image.Index))
		return
	}
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	defer file.Close()
	setTimes(w, transferTime, transferTime)
	w.Header().Set("Content-Type", image.Type)
	w.Header().Set("ETag", `"`+image.SHA256+`"`)
	w.Header().Set("Cache-Control", "private, max-age=3600")
	http.ServeContent(w, r, "", time.Time{}, io.ReadSeeker(file))
}
