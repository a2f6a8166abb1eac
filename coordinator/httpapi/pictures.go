package httpapi

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/intake"
	"github.com/easelgrid/easel/coordinator/job"
)

// showImage serves an image to whoever has a signed URL or an API key.
func (s *server) showImage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	index, ok := artifact.ParseIndex(r.PathValue("index")) // links end as the file's name would
	if !ok {
		writeError(w, errNoImage(r))
		return
	}
	found, missing := s.Jobs.Find(r.Context(), id)
	if missing != nil {
		found = job.Snapshot{} // the same answer as for a job that is somebody else's
	}
	if err := s.maySee(r, found, id, index); err != nil {
		s.answer(w, r, nil, err)
		return
	}
	if missing != nil {
		s.answer(w, r, nil, missing)
		return
	}
	image, ok := found.Record.Image(index)
	if !ok {
		s.answerMissing(w, r, found.Job, index)
		return
	}
	s.serveImage(w, r, found.Job, image)
}

// maySee checks the signature and, when that does not do, the key. The signature's error is the answer
// when there is a signature.
func (s *server) maySee(r *http.Request, found job.Snapshot, id string, index int) error {
	query, now := r.URL.Query(), time.Now()
	signed := s.Links.Check(found.Job, id, index, query, now)
	if signed == nil {
		return nil
	}
	who, err := s.Keys.Caller(bearer(r), now)
	if err == nil && found.Job.ID != "" && !intake.MayUse(who.Name, who.Admin(), found.Record) {
		err = job.ErrNoJob(id)
	}
	if err != nil && query.Has("signature") {
		return signed
	}
	return err
}

// answerMissing answers that there is no such image, not yet or not at all. A client that has the link
// from its submission may ask again.
func (s *server) answerMissing(w http.ResponseWriter, r *http.Request, j api.Job, index int) {
	w.Header().Set("Cache-Control", "no-store")
	e := errNoImage(r)
	switch {
	case index < 0 || index >= j.Spec.N:
	case !j.State.Terminal():
		_, eta := s.Intake.Waiting(r.Context())
		e = api.Errorf(api.CodeNotFound, "image %d is not made yet: the job is %s", index, j.State)
		e.RetryAfter = max(1, min(account.Seconds(eta), 60))
	case j.State != api.StateSucceeded:
		e = api.Errorf(api.CodeNotFound, "image %d was not made: the job %s", index, j.State)
	}
	writeError(w, e)
}

func errNoImage(r *http.Request) *api.Error {
	return api.Errorf(api.CodeNotFound, "this job has no image %s", api.Quote(r.PathValue("index")))
}

func (s *server) serveImage(w http.ResponseWriter, r *http.Request, j api.Job, image api.Image) {
	file, err := s.Artifacts.OpenImage(api.Attempt{Job: j.ID, Number: j.Attempt}, image.Index, image.SHA256)
	if errors.Is(err, fs.ErrNotExist) {
		writeStatus(w, http.StatusGone, s.imageGone(j, image.Index))
		return
	}
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	defer file.Close()
	serveFile(w, r, file, image.Type, image.SHA256)
}

// imageGone is why an image that a record names is not there.
func (s *server) imageGone(j api.Job, index int) *api.Error {
	if !j.State.Terminal() {
		return api.Errorf(api.CodeNotFound, "image %d went with its attempt, another is made", index)
	}
	return api.Errorf(api.CodeNotFound, "image %d was kept until %s", index,
		j.UpdatedAt.Add(s.KeepImages).UTC().Format(time.RFC3339))
}

// showUpload serves a picture that was uploaded for later to whoever has its address.
func (s *server) showUpload(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	picture, err := s.Uploads.Open(file, r.URL.Query(), time.Now())
	if answer, ok := errors.AsType[*api.Error](err); ok && answer.Code == api.CodeNotFound {
		writeStatus(w, http.StatusGone, answer)
		return
	}
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	defer picture.Close()
	start := make([]byte, 512)
	n, err := io.ReadFull(picture, start)
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		_, err = picture.Seek(0, io.SeekStart)
	}
	if err != nil {
		s.answer(w, r, nil, fmt.Errorf("read picture: %w", err))
		return
	}
	serveFile(w, r, picture, http.DetectContentType(start[:n]), artifact.UploadID(file))
}

// serveFile serves a file that never changes, whole or in parts.
func serveFile(w http.ResponseWriter, r *http.Request, file io.ReadSeeker, mediaType, tag string) {
	setTimes(w, transferTime, transferTime)
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("ETag", `"`+tag+`"`)
	w.Header().Set("Cache-Control", "private, max-age=3600")
	http.ServeContent(w, r, "", time.Time{}, file)
}
