package coordinator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
)

// keepAlive is how often a quiet stream sends a comment, so that proxies do not close it.
const keepAlive = 15 * time.Second

// followJob streams what happens to a job as server-sent events: first the whole job, then progress,
// previews, images and every change of state. It ends after the job's terminal state.
func (c *coordinator) followJob(w http.ResponseWriter, r *http.Request, who caller) {
	id := r.PathValue("id")
	feed, stop := c.jobs.events.watch(id) // before the job is read, so that nothing is missed between
	defer stop()
	_, job, revision, err := c.find(r, who)
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	out := &stream{w: w, control: http.NewResponseController(w)}
	// Nothing more is read from the client, and a read that runs into its deadline ends the request.
	_ = out.control.SetReadDeadline(time.Time{})
	if out.send("job", c.links(r, job)) != nil || job.State.Terminal() {
		return
	}
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-c.stopping.Done():
			return
		case <-tick.C:
			err = out.comment()
		case <-feed.ready:
			var over bool
			if over, err = c.sendEvents(out, r, job, feed.take(), revision); over {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// sendEvents writes events that are newer than the job the stream began with, and reports whether
// the last one settled it.
func (c *coordinator) sendEvents(out *stream, r *http.Request, job api.Job, events []event, since uint64) (over bool, err error) {
	for _, e := range events {
		if !e.droppable() && e.revision <= since {
			continue
		}
		switch {
		case e.job != nil:
			err = out.send("job", c.links(r, *e.job))
			over = e.job.State.Terminal()
		case e.image != nil:
			err = out.send("image", c.link(r, job, *e.image))
		case e.progress != nil:
			err = out.send("progress", progressEvent{e.progress.Number, e.progress.Progress})
		case e.preview != nil:
			err = out.send("preview", previewEvent{e.preview.Number, e.preview.Image, e.preview.Step, e.preview.JPEG})
		}
		if err != nil || over {
			return over, err
		}
	}
	return false, nil
}

// A progressEvent is a progress with the attempt it is of.
type progressEvent struct {
	Attempt int `json:"attempt"`
	api.Progress
}

// A previewEvent is a small picture of an unfinished image; JSON has its bytes in base64.
type previewEvent struct {
	Attempt int    `json:"attempt"`
	Image   int    `json:"image"`
	Step    int    `json:"step"`
	JPEG    []byte `json:"jpeg"`
}

// A stream writes server-sent events, numbered from 1. A client that takes nothing for a while loses
// the stream and not our memory.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    int
}

func (s *stream) send(name string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	s.last++
	return s.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", s.last, name, body))
}

func (s *stream) comment() error { return s.write(": still here\n\n") }

func (s *stream) write(text string) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(requestTime))
	if _, err := fmt.Fprint(s.w, text); err != nil {
		return err
	}
	return s.control.Flush()
}
