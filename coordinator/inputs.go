package coordinator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
)

// inputName is where a picture that came with a job's request is kept until the job is settled. No
// job's name is "inputs".
func inputName(job, digest string) string { return path.Join("inputs", job, digest) }

// putInput stores a picture under its digest. The same picture again changes nothing.
func (a *artifacts) putInput(ctx context.Context, job string, body []byte) error {
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	name := inputName(job, digest)
	if err := a.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return fmt.Errorf("store input: %w", err)
	}
	part := fmt.Sprintf("%s.%s.part", name, randomHex(8))
	_, err := a.write(ctx, part, digest, bytes.NewReader(body))
	if err == nil {
		err = a.root.Rename(part, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store input: %w", err), ignoreMissing(a.root.Remove(part)))
	}
	a.syncDirectory(path.Dir(name))
	return nil
}

func (a *artifacts) removeInputs(job string) error {
	return ignoreMissing(a.root.RemoveAll(path.Join("inputs", job)))
}

// sweepInputs deletes the pictures of jobs that are not open: what a sudden end left between the pictures
// and the record, or between a job's last record and its tidying. A request that was never answered
// brings its pictures again.
func (a *artifacts) sweepInputs(open func(job string) bool) error {
	left, err := fs.ReadDir(a.root.FS(), "inputs")
	if err != nil {
		return ignoreMissing(err)
	}
	for _, dir := range left {
		if !open(dir.Name()) {
			err = errors.Join(err, a.removeInputs(dir.Name()))
		}
	}
	return err
}

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
		file, err := c.artifacts.root.Open(inputName(job.ID, in.SHA256))
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
