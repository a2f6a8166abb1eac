package openai

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/internal/sse"
)

// An imageEvent is a finished or an unfinished image. All fields are always there.
type imageEvent struct {
	Type         string `json:"type"`
	Base64       string `json:"b64_json"`
	CreatedAt    int64  `json:"created_at"`
	Size         string `json:"size"`
	Quality      string `json:"quality"`
	Background   string `json:"background"`
	OutputFormat string `json:"output_format"`
}

type partialEvent struct {
	imageEvent
	Index int `json:"partial_image_index"`
}

type completedEvent struct {
	imageEvent
	Usage usage `json:"usage"`
}

type errorEvent struct {
	Type  string  `json:"type"`
	Error problem `json:"error"`
}

// stream answers with server-sent events as images are made. What is wrong before the job is accepted
// has a status of its own, what comes after is an event.
func (v *vendor) stream(c *dialect.Call, a order) error {
	job, err := c.Submit(v.service, a.job)
	if err != nil {
		return err
	}
	out := sse.NewWriter(c.W, 0) // the coordinator limits each write
	_ = out.Comment("the job is accepted")
	stop := out.KeepAlive(keepAlive)
	defer func() {
		stop()
		if out.Err() != nil { // a stream that is broken ends as the connection does, so that the client knows
			panic(http.ErrAbortHandler)
		}
	}()
	s := &sender{v: v, out: out, a: a, job: job, sent: map[int]bool{}}
	settled, err := v.service.Wait(c.Patient(c.Context()), job.ID, func(e dialect.Event) error { return s.watch(c.Context(), e) })
	if err == nil {
		err = dialect.JobError(settled)
	}
	if err != nil {
		p, _, _ := problemOf(err)
		s.send("error", errorEvent{"error", p}, dialect.NewReply())
	}
	return nil
}

// A sender turns what happens to a job into events.
type sender struct {
	v     *vendor
	out   *sse.Writer
	a     order
	job   api.Job
	steps int          // of the image in the making, from its progress
	image int          // the one that partial images were sent of
	part  int          // how many
	sent  map[int]bool // finished images; another attempt may make one again
}

func (s *sender) watch(ctx context.Context, e dialect.Event) error {
	switch {
	case e.Progress != nil:
		s.steps = e.Progress.Steps
	case e.Preview != nil:
		s.partial(*e.Preview)
	case e.Image != nil && !s.sent[e.Image.Index]:
		s.sent[e.Image.Index] = true
		return s.completed(ctx, *e.Image)
	}
	return nil
}

// partial sends a preview if one is due: partial images are spread evenly over the steps.
func (s *sender) partial(p dialect.Preview) {
	if p.Image != s.image {
		s.image, s.part = p.Image, 0
	}
	if steps := max(s.steps, 1); s.part >= s.a.partials || s.sent[p.Image] || p.Step*(s.a.partials+1) < steps*(s.part+1) {
		return
	}
	file, format, err := partialImage(p.JPEG, s.job.Spec, s.a.format)
	if err != nil {
		return // a preview may be lost at any time
	}
	event := partialEvent{s.event("partial_image", sizeOfSpec(s.job.Spec), format), s.part}
	reply := dialect.NewReply()
	event.Base64, _ = reply.Base64(file, api.Image{Bytes: file.Size()}, nil)
	s.part++
	s.send(event.Type, event, reply)
}

func (s *sender) completed(ctx context.Context, image api.Image) error {
	event := completedEvent{s.event("completed", sizeOf(image), s.a.format), usageOf(s.job, image)}
	reply := dialect.NewReply()
	defer reply.Close()
	var err error
	if event.Base64, err = reply.Base64(s.v.service.Open(ctx, s.job.ID, image.Index)); err != nil {
		return err
	}
	s.send(event.Type, event, reply)
	return nil
}

// send writes one event with the reply's pictures in it. When the client takes no more, the request's
// context ends, and with it the waiting.
func (s *sender) send(name string, data any, reply *dialect.Reply) {
	_ = s.out.EventFrom("", name, func(to io.Writer) error { return reply.WriteTo(to, data) })
}

func (s *sender) event(name, size string, format api.Format) imageEvent {
	return imageEvent{
		Type: s.a.event + "." + name, CreatedAt: time.Now().Unix(), Size: size,
		Quality: s.a.effective(), Background: background(s.job), OutputFormat: string(format),
	}
}

// keepAlive is how often a quiet stream sends a comment, so that nothing between takes it for dead.
const keepAlive = 15 * time.Second
