package httpapi

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/job"
)

// showInput gives a picture to the node that has the attempt.
func (s *server) showInput(w http.ResponseWriter, r *http.Request) {
	record, _, err := s.attempt(r)
	if err == nil {
		err = s.serveInput(w, r, record.Job)
	}
	if err != nil {
		s.answer(w, r, nil, err)
	}
}

// attempt is the one that a node's request names, with its job, if the ticket is the attempt's.
func (s *server) attempt(r *http.Request) (job.Record, api.Attempt, error) {
	number, err := strconv.Atoi(r.PathValue("attempt"))
	if err != nil {
		return job.Record{}, api.Attempt{}, api.Errorf(api.CodeNotFound, "there is no attempt %s", api.Quote(r.PathValue("attempt")))
	}
	at := api.Attempt{Job: r.PathValue("id"), Number: number}
	found, err := s.Jobs.Find(r.Context(), at.Job)
	if err == nil {
		err = found.Record.MayUpload(at, bearer(r))
	}
	return found.Record, at, err
}

func (s *server) serveInput(w http.ResponseWriter, r *http.Request, j api.Job) error {
	for _, in := range j.Spec.Inputs() {
		if in.SHA256 != r.PathValue("sha256") {
			continue
		}
		file, err := s.Artifacts.OpenInput(j.ID, in.SHA256)
		if errors.Is(err, fs.ErrNotExist) { // the job was settled between the record and here
			return job.ErrAttemptEnded
		}
		if err != nil {
			return fmt.Errorf("read input: %w", err)
		}
		defer file.Close()
		setTimes(w, transferTime, transferTime)
		w.Header().Set("Content-Type", in.Type)
		http.ServeContent(w, r, "", time.Time{}, file)
		return nil
	}
	return api.Errorf(api.CodeNotFound, "this job has no picture %s", api.Quote(r.PathValue("sha256")))
}
