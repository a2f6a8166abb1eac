package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/intake"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/internal/sse"
)

// keepAlive is how often a quiet stream sends a comment, so that proxies do not close it.
const keepAlive = 15 * time.Second

// followJob streams what happens to a job as server-sent events: first the whole job, then progress,
// previews, images and every change of state. It ends after the job's terminal state.
func (s *server) followJob(w http.ResponseWriter, r *http.Request, who account.Caller) {
	found, feed, err := s.Jobs.Follow(r.Context(), r.PathValue("id"))
	if err == nil {
		defer feed.Stop()
	}
	if err == nil && !intake.MayUse(who.Name, who.Admin(), found.Record) {
		err = job.ErrNoJob(r.PathValue("id"))
	}
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	out := &stream{to: sse.NewWriter(w, requestTime)}
	if out.send("job", s.linked(r, found.Job)) != nil || found.Job.State.Terminal() {
		return
	}
	defer out.to.KeepAlive(keepAlive)()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.stopping:
			return
		case <-feed.Ready():
			if s.sendEvents(out, r, found.Job, feed.Take()) {
				return
			}
		}
	}
}

// sendEvents writes events and reports whether the stream has ended: the job is settled, or the client is
// gone.
func (s *server) sendEvents(out *stream, r *http.Request, j api.Job, events []job.Event) (ended bool) {
	for _, e := range events {
		var err error
		switch {
		case e.Job != nil:
			err = out.send("job", s.linked(r, *e.Job))
			ended = e.Job.State.Terminal()
		case e.Image != nil:
			image := *e.Image
			image.URL = s.Intake.URL(r, j, image.Index)
			err = out.send("image", image)
		case e.Progress != nil:
			err = out.send("progress", api.ProgressEvent{Attempt: e.Progress.Number, Progress: e.Progress.Progress})
		case e.Preview != nil:
			err = out.send("preview", api.PreviewEvent{Attempt: e.Preview.Number, Image: e.Preview.Image, Step: e.Preview.Step, JPEG: e.Preview.JPEG})
		}
		if err != nil || ended {
			return true
		}
	}
	return false
}

// A stream numbers its events from 1.
type stream struct {
	to   *sse.Writer
	last int
}

func (s *stream) send(name string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	s.last++
	return s.to.Event(strconv.Itoa(s.last), name, body)
}
