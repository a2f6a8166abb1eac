package coordinator

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
)

const (
	defaultList = 50
	maxList     = 500
)

// createJob answers 202 when the job is durable, the first time and every time the same
// Idempotency-Key comes again.
func (c *coordinator) createJob(w http.ResponseWriter, r *http.Request, who caller) {
	setTimes(w, transferTime, transferTime+requestTime) // two pictures take a while from a home
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
	spec, err := c.plan("", request.Model, request, randomSeed())
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	job, err := c.submit(r.Context(), submission{
		spec: spec, pictures: [][]byte{request.InitImage, request.MaskImage}, key: key, owner: who.Name,
	})
	if errors.Is(err, errReplayConflict) { // 422 as the Idempotency-Key draft has it, and not the 409 of other conflicts
		writeStatus(w, http.StatusUnprocessableEntity, errReplayConflict)
		return
	}
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	w.Header().Set("Location", "/easel/v1/jobs/"+job.ID)
	writeJSON(w, http.StatusAccepted, c.links(r, job))
}

func randomSeed() int64 {
	var b [4]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint32(b[:]))
}

// idempotencyKey reads the header.
func idempotencyKey(r *http.Request, who caller, request api.JobRequest) (*replayKey, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 {
		return nil, invalid("Idempotency-Key", strconv.Itoa(len(values))+" values", "one")
	}
	return newReplayKey(who.Name, "", values[0], request)
}

// find returns a job that the caller may see.
func (c *coordinator) find(r *http.Request, who caller) (record, api.Job, uint64, error) {
	id := r.PathValue("id")
	record, job, revision, err := c.jobs.find(r.Context(), id)
	if err == nil && !mayUse(who.Name, who.Role == roleAdmin, record) {
		return record, api.Job{}, 0, errNoJob(id)
	}
	return record, job, revision, err
}

func (c *coordinator) showJob(w http.ResponseWriter, r *http.Request, who caller) {
	_, job, _, err := c.find(r, who)
	c.answer(w, r, c.links(r, job), err)
}

func (c *coordinator) listJobs(w http.ResponseWriter, r *http.Request, who caller) {
	state, limit, err := listQuery(r)
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	mine := func(r record) bool { return mayUse(who.Name, who.Role == roleAdmin, r) }
	jobs, err := c.jobs.list(r.Context(), state, limit, mine)
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
func (c *coordinator) cancelJob(w http.ResponseWriter, r *http.Request, who caller) {
	_, job, _, err := c.find(r, who)
	if err == nil {
		err = c.cancel(r.Context(), job.ID)
	}
	if err == nil {
		_, job, _, err = c.find(r, who)
	}
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

func (c *coordinator) explainJob(w http.ResponseWriter, r *http.Request, who caller) {
	record, job, _, err := c.find(r, who)
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
