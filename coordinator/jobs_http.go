package coordinator

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
)

const (
	maxIdempotencyKey = 255 // characters
	defaultList       = 50
	maxList           = 500
)

// createJob answers 202 when the job is durable, the first time and every time the same
// Idempotency-Key comes again.
func (c *coordinator) createJob(w http.ResponseWriter, r *http.Request, who caller) {
	var request api.JobRequest
	if err := decodeRequest(w, r, maxJobRequest, &request); err != nil {
		c.answer(w, r, nil, err)
		return
	}
	key, err := idempotencyKey(r, who, request)
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	spec, err := c.resolve(request, randomSeed())
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	job, err := c.jobs.submit(r.Context(), spec, key, request.InitImage, request.MaskImage)
	if errors.Is(err, errReplayConflict) { // 422 as the Idempotency-Key draft has it, and not the 409 of other conflicts
		writeStatus(w, http.StatusUnprocessableEntity, errReplayConflict)
		return
	}
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	c.log.Info("job accepted", "job", job.ID, "model", spec.Model, "steps", spec.Steps, "images", spec.N)
	w.Header().Set("Location", "/easel/v1/jobs/"+job.ID)
	writeJSON(w, http.StatusAccepted, c.links(r, job))
}

func randomSeed() int64 {
	var b [4]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint32(b[:]))
}

// idempotencyKey reads the header. The digest is over the decoded request, so that white space in
// the body does not matter, and before defaults, so that a drawn seed does not either.
func idempotencyKey(r *http.Request, who caller, request api.JobRequest) (*replayKey, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	if n := len(values[0]); len(values) > 1 || n == 0 || n > maxIdempotencyKey {
		return nil, invalid("Idempotency-Key", strconv.Itoa(n)+" characters", "one value of 1 to "+strconv.Itoa(maxIdempotencyKey)+" characters")
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return &replayKey{name: hashHex([]byte(who.name + "\n" + values[0])), digest: hashHex(body)}, nil
}

func (c *coordinator) showJob(w http.ResponseWriter, r *http.Request, _ caller) {
	_, job, _, err := c.jobs.find(r.Context(), r.PathValue("id"))
	c.answer(w, r, c.links(r, job), err)
}

func (c *coordinator) listJobs(w http.ResponseWriter, r *http.Request, _ caller) {
	state, limit, err := listQuery(r)
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	jobs, err := c.jobs.list(r.Context(), state, limit)
	for i, job := range jobs {
		jobs[i] = c.links(r, job)
	}
	c.answer(w, r, map[string][]api.Job{"jobs": jobs}, err)
}

func listQuery(r *http.Request) (state api.State, limit int, err error) {
	query := r.URL.Query()
	var faults []api.Fault
	limit = defaultList
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxList {
			faults = append(faults, api.Fault{Field: "limit", Value: api.Quote(text), Limit: "1 to " + strconv.Itoa(maxList)})
		}
	}
	switch state = api.State(query.Get("state")); state {
	case "", api.StateQueued, api.StateAssigned, api.StateRunning, api.StateSucceeded, api.StateFailed, api.StateCanceled:
	default:
		faults = append(faults, api.Fault{Field: "state", Value: api.Quote(string(state)), Limit: "queued, assigned, running, succeeded, failed or canceled"})
	}
	return state, limit, api.Invalid(faults)
}

// cancelJob answers with the job as it is then: canceled, or settled before in another way.
func (c *coordinator) cancelJob(w http.ResponseWriter, r *http.Request, _ caller) {
	id := r.PathValue("id")
	if err := c.cancel(r.Context(), id); err != nil {
		c.answer(w, r, nil, err)
		return
	}
	_, job, _, err := c.jobs.find(r.Context(), id)
	c.answer(w, r, c.links(r, job), err)
}

// An explanation says why a job is where it is.
type explanation struct {
	Job     string       `json:"job"`
	State   api.State    `json:"state"`
	Message string       `json:"message"`
	Nodes   []nodeReason `json:"nodes"` // of a queued job: why not there
	Losses  []loss       `json:"losses,omitempty"`
}

type nodeReason struct {
	NodeID string `json:"node_id"`
	Reason string `json:"reason"`
}

func (c *coordinator) explainJob(w http.ResponseWriter, r *http.Request, _ caller) {
	record, job, _, err := c.jobs.find(r.Context(), r.PathValue("id"))
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	e := c.explain(job, time.Now())
	e.Losses = record.Losses
	c.answer(w, r, e, nil)
}

func (c *coordinator) explain(job api.Job, now time.Time) explanation {
	e := explanation{Job: job.ID, State: job.State, Nodes: []nodeReason{}}
	waiting, ok := c.jobs.one(job.ID, now)
	if job.State != api.StateQueued || !ok {
		e.Message = "the job is " + string(job.State)
		return e
	}
	for _, candidate := range c.nodes.candidates(c.jobs.busy()) {
		_, reason := candidate.fits(waiting, now)
		if reason == "" {
			reason = "it fits and is about to be given the job"
		}
		e.Nodes = append(e.Nodes, nodeReason{candidate.id, reason})
	}
	e.Message = "no node can take the job now"
	if len(e.Nodes) == 0 {
		e.Message = "no node has joined yet"
	}
	return e
}
