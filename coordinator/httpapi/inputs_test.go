package coordinator

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
)

func TestInputsAreGivenToTheAttemptAndGoWithTheJob(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	start := picture(7)
	body, err := json.Marshal(api.JobRequest{Prompt: "a red circle", InitImage: start})
	if err != nil {
		t.Fatal(err)
	}
	job := w.submit(string(body))
	a := n.assigned()
	in := a.Spec.InitImage
	if in == nil || in.SHA256 != hashHex(start) || in.Bytes != int64(len(start)) || a.Spec.Strength != 0.8 {
		t.Fatalf("assigned %+v", a.Spec)
	}
	at := strings.ReplaceAll(a.Inputs, "{sha256}", in.SHA256)
	for _, c := range []struct {
		name, path, ticket string
		status             int
	}{
		{"no ticket", at, "", 401},
		{"an API key", at, "Bearer " + w.key, 401},
		{"another attempt", strings.ReplaceAll(at, "/attempts/1/", "/attempts/2/"), "Bearer " + a.Ticket, 409},
		{"another picture", strings.ReplaceAll(a.Inputs, "{sha256}", hashHex([]byte("x"))), "Bearer " + a.Ticket, 404},
		{"a path", strings.ReplaceAll(a.Inputs, "{sha256}", "..%2f..%2fkeys"), "Bearer " + a.Ticket, 404},
		{"fine", at, "Bearer " + a.Ticket, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.call("GET", c.path, "", "Authorization", c.ticket)
			if got.status != c.status || c.status == 200 && string(got.body) != string(start) {
				t.Errorf("got %d %.100s, want %d", got.status, got.body, c.status)
			}
		})
	}
	kept := func() []string {
		files, err := filepath.Glob(filepath.Join(w.dir, "artifacts", "inputs", job.ID, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	n.fail(a.Attempt, api.CodeRuntimeCrashed)
	n.settled(a.Attempt)
	if len(kept()) != 1 {
		t.Errorf("after a lost attempt there are %v, want the picture for the next one", kept())
	}
	w.call("DELETE", "/easel/v1/jobs/"+job.ID, "")
	w.reach(job.ID, func(j api.Job) bool { return j.State == api.StateCanceled })
	if len(kept()) != 0 {
		t.Errorf("after the job there are %v", kept())
	}
}

// A sudden end between a request's pictures and its record leaves pictures that no job names.
func TestPicturesOfNoJobGoAtTheNextStart(t *testing.T) {
	w := newWorld(t)
	body, err := json.Marshal(api.JobRequest{Prompt: "a red circle", InitImage: picture(7)})
	if err != nil {
		t.Fatal(err)
	}
	w.node()
	job := w.submit(string(body))
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	inputs := filepath.Join(w.dir, "artifacts", "inputs")
	orphan := filepath.Join(inputs, "job-that-never-was")
	if err := errors.Join(os.Mkdir(orphan, 0o700), os.WriteFile(filepath.Join(orphan, hashHex(nil)), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	w.start()
	left, err := filepath.Glob(filepath.Join(inputs, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != job.ID {
		t.Errorf("left: %v (%v), want those of %s", left, err, job.ID)
	}
}

// A sudden end between a job's record and its place in line leaves a job that only its client's next
// request gives one, and a start in between sweeps its pictures.
func TestARepeatedRequestBringsItsPicturesAgain(t *testing.T) {
	s, a := sharedStore(t)
	j := newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
	order := submission{spec: api.ImageSpec{Model: "shapes", N: 1}, pictures: [][]byte{picture(7)}, key: &replayKey{"again", "digest"}}
	job, err := j.submit(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	_, place, err := s.queue.load(t.Context(), job.ID)
	if err != nil || s.queue.remove(t.Context(), job.ID, place) != nil {
		t.Fatal(err)
	}
	j = newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
	if err := j.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := j.submit(t.Context(), order); err != nil || again.ID != job.ID {
		t.Fatalf("%s, %v, want job %s", again.ID, err, job.ID)
	}
	file, err := a.openInput(job.ID, hashHex(picture(7)))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
}

// timedWriter remembers how long a handler gives its client.
type timedWriter struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (w *timedWriter) SetReadDeadline(t time.Time) error  { w.read = t; return nil }
func (w *timedWriter) SetWriteDeadline(t time.Time) error { w.write = t; return nil }

// The largest request there may be takes minutes over a slow line.
func TestARequestWithPicturesHasTimeToCome(t *testing.T) {
	w := &timedWriter{ResponseRecorder: httptest.NewRecorder()}
	started := time.Now()
	(&coordinator{log: discard}).createJob(w, httptest.NewRequest("POST", "/easel/v1/jobs", strings.NewReader("{")), caller{})
	const slow = 1 << 20 / 8 // bytes a second
	if need := time.Duration(maxJobRequest/slow) * time.Second; w.read.Sub(started) < need || w.write.Before(w.read) {
		t.Errorf("%s to read and %s to write, want at least %s", w.read.Sub(started), w.write.Sub(started), need)
	}
	if w.Code != http.StatusBadRequest {
		t.Errorf("answered %d", w.Code)
	}
}
