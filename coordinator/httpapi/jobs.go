package httpapi

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/intake"
	"github.com/easelgrid/easel/coordinator/job"
)

const (
	defaultList = 50
	maxList     = 500
)

// createJob answers 202 when the job is durable, the first time and every time the same
// Idempotency-Key comes again.
func (s *server) createJob(w http.ResponseWriter, r *http.Request, who account.Caller) {
	setTimes(w, transferTime, transferTime+requestTime) // two pictures take a while from a home
	var request api.JobRequest
	if err := decodeRequest(w, r, maxJobRequest, &request); err != nil {
		s.answer(w, r, nil, err)
		return
	}
	key, err := idempotencyKey(r, who, request)
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	accepted, err := s.Intake.SubmitNative(r.Context(), who.Name, request, key)
	if errors.Is(err, job.ErrKeyReused) { // 422 as the Idempotency-Key draft has it, and not the 409 of other conflicts
		writeStatus(w, http.StatusUnprocessableEntity, job.ErrKeyReused)
		return
	}
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	w.Header().Set("Location", "/easel/v1/jobs/"+accepted.ID)
	writeJSON(w, http.StatusAccepted, s.linked(r, accepted))
}

// idempotencyKey reads the header.
func idempotencyKey(r *http.Request, who account.Caller, request api.JobRequest) (*job.IdempotencyKey, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 {
		return nil, invalid("Idempotency-Key", strconv.Itoa(len(values))+" values", "one")
	}
	return job.NewIdempotencyKey(who.Name, "", values[0], request)
}

// linked fills in the absolute URLs of a job's images, as the client reached us.
func (s *server) linked(r *http.Request, j api.Job) api.Job {
	j.Images = slices.Clone(j.Images)
	if j.Images == nil {
		j.Images = []api.Image{}
	}
	for i := range j.Images {
		j.Images[i].URL = s.Intake.URL(r, j, j.Images[i].Index)
	}
	return j
}

func (s *server) showJob(w http.ResponseWriter, r *http.Request, who account.Caller) {
	found, err := s.Intake.FindNative(r.Context(), who, r.PathValue("id"))
	s.answer(w, r, s.linked(r, found.Job), err)
}

func (s *server) listJobs(w http.ResponseWriter, r *http.Request, who account.Caller) {
	state, limit, err := listQuery(r)
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	mine := func(r job.Record) bool { return intake.MayUse(who.Name, who.Admin(), r) }
	jobs, err := s.Jobs.List(r.Context(), state, limit, mine)
	for i, j := range jobs {
		jobs[i] = s.linked(r, j)
	}
	s.answer(w, r, map[string][]api.Job{"jobs": jobs}, err)
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
func (s *server) cancelJob(w http.ResponseWriter, r *http.Request, who account.Caller) {
	found, err := s.Intake.FindNative(r.Context(), who, r.PathValue("id"))
	if err == nil {
		err = s.Intake.CancelNative(r.Context(), found.Job.ID)
	}
	if err == nil {
		found, err = s.Intake.FindNative(r.Context(), who, r.PathValue("id"))
	}
	s.answer(w, r, s.linked(r, found.Job), err)
}

// explainJob answers why a job is where it is.
func (s *server) explainJob(w http.ResponseWriter, r *http.Request, who account.Caller) {
	found, err := s.Intake.FindNative(r.Context(), who, r.PathValue("id"))
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	s.answer(w, r, s.Dispatcher.Explain(found, time.Now()), nil)
}
