package distribute

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// uuids are what jobs are called: UUIDs of version 4 (RFC 9562, section 5.4).
const uuids = `^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-4[a-fA-F0-9]{3}-[89abAB][a-fA-F0-9]{3}-[a-fA-F0-9]{12}$`

var uuidPattern = regexp.MustCompile(uuids)

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// A state is what the vendor calls where a job stands.
type state = string

// The states that are sent. The vendor has one more, CREATED: here a job is in the queue before
// the reply has its id.
const (
	queued     state = "QUEUED"
	postponed  state = "POSTPONED" // it lost an attempt and waits again
	assigned   state = "ASSIGNED_CONNECTIONS"
	processing state = "PROCESSING"
	completed  state = "COMPLETED"
	failed     state = "ERROR"
)

var states = []state{"CREATED", queued, postponed, assigned, processing, completed, failed}

func stateOf(job api.Job) state {
	switch job.State {
	case api.StateQueued:
		if job.Attempt > 0 {
			return postponed
		}
		return queued
	case api.StateAssigned:
		return assigned
	case api.StateRunning:
		return processing
	case api.StateSucceeded:
		return completed
	}
	return failed
}

// A report is the state of a job as its client reads it.
type report struct {
	ID       string   `json:"id"`
	Status   state    `json:"status"`
	Created  instant  `json:"created"`
	Finished *instant `json:"finished,omitempty"` // absent until the job is settled
	Model    string   `json:"model"`
	Results  []shown  `json:"results"` // empty until the job has succeeded
}

type shown struct {
	URL           string `json:"url"`
	RevisedPrompt string `json:"revised_prompt"`
}

// instant is a time in UTC with milliseconds.
type instant time.Time

func (i instant) MarshalText() ([]byte, error) {
	return []byte(time.Time(i).UTC().Format("2006-01-02T15:04:05.000Z")), nil
}

// result reports on a job. Why one failed has no place in the body: it is in a header.
func (v vendor) result(c *dialect.Call) error {
	o, err := c.Object(maxBody)
	if err != nil {
		return err
	}
	id, err := decodeID(o)
	if err != nil {
		return err
	}
	job, err := v.service.Find(c.Context(), c.Who, Name, id)
	if err != nil {
		return err
	}
	body := report{ID: id, Status: stateOf(job), Created: instant(job.CreatedAt), Model: cmp.Or(job.AskedModel, job.Spec.Model), Results: []shown{}}
	if job.State.Terminal() {
		body.Finished = (*instant)(&job.UpdatedAt)
	}
	if job.State == api.StateSucceeded {
		for _, p := range v.pictures(c.R, job) {
			body.Results = append(body.Results, shown{p.URL, p.RevisedPrompt})
		}
	} else if err := dialect.JobError(job); job.State.Terminal() && err != nil {
		c.W.Header().Set("X-Easel-Error", headerText(err.Error()))
	}
	return c.Reply(body)
}

// decodeID reads which job is asked for. Aliases are in lower case.
func decodeID(o *dialect.Object) (string, error) {
	id := o.Text("id")
	if !uuidPattern.MatchString(id) {
		o.Fault("id", api.Quote(id), "a UUID of version 4")
	}
	return strings.ToLower(id), o.Err()
}

// headerText is a text without what a header may not hold.
func headerText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text[:min(len(text), 500)])
}
