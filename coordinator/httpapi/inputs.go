package coordinator

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
)

// inputsPath is where a node fetches the pictures of an attempt.
func inputsPath(a api.Attempt) string {
	return fmt.Sprintf("/easel/v1/jobs/%s/attempts/%d/inputs/{sha256}", a.Job, a.Number)
}

// showInput gives a picture to the node that has the attempt.
func (c *coordinator) showInput(w http.ResponseWriter, r *http.Request) {
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
		err = c.serveInput(w, r, record.Job)
	}
	if err != nil {
		c.answer(w, r, nil, err)
	}
}

func (c *coordinator) serveInput(w http.ResponseWriter, r *http.Request, job api.Job) error {
	for _, in := range job.Spec.Inputs() {
		if in.SHA256 != r.PathValue("sha256") {
			continue
		}
		file, err := c.artifacts.openInput(job.ID, in.SHA256)
		if errors.Is(err, fs.ErrNotExist) { // the job was settled between the record and here
			return errAttemptOver
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
