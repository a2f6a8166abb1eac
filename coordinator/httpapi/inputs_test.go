package httpapi_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/internal/ident"
)

func TestInputsAreGivenToTheAttemptAndGoWithTheJob(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	start := coordtest.Picture(7)
	body, err := json.Marshal(api.JobRequest{Prompt: "a red circle", InitImage: start})
	if err != nil {
		t.Fatal(err)
	}
	job := w.Submit(string(body))
	a := n.Assigned()
	in := a.Spec.InitImage
	if in == nil || in.SHA256 != ident.Digest(start) || in.Bytes != int64(len(start)) || a.Spec.Strength != 0.8 {
		t.Fatalf("assigned %+v", a.Spec)
	}
	at := strings.ReplaceAll(a.Inputs, "{sha256}", in.SHA256)
	for _, c := range []struct {
		name, path, ticket string
		status             int
	}{
		{"no ticket", at, "", 401},
		{"an API key", at, "Bearer " + w.Key, 401},
		{"another attempt", strings.ReplaceAll(at, "/attempts/1/", "/attempts/2/"), "Bearer " + a.Ticket, 409},
		{"another picture", strings.ReplaceAll(a.Inputs, "{sha256}", ident.Digest([]byte("x"))), "Bearer " + a.Ticket, 404},
		{"a path", strings.ReplaceAll(a.Inputs, "{sha256}", "..%2f..%2fkeys"), "Bearer " + a.Ticket, 404},
		{"fine", at, "Bearer " + a.Ticket, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.Call("GET", c.path, "", "Authorization", c.ticket)
			if got.Status != c.status || c.status == 200 && string(got.Body) != string(start) {
				t.Errorf("got %d %.100s, want %d", got.Status, got.Body, c.status)
			}
		})
	}
	kept := func() []string {
		files, err := filepath.Glob(filepath.Join(w.Dir, "artifacts", "inputs", job.ID, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	n.Fail(a.Attempt, api.CodeRuntimeCrashed)
	n.Settled(a.Attempt)
	if len(kept()) != 1 {
		t.Errorf("after a lost attempt there are %v, want the picture for the next one", kept())
	}
	w.Call("DELETE", "/easel/v1/jobs/"+job.ID, "")
	w.Reach(job.ID, func(j api.Job) bool { return j.State == api.StateCanceled })
	if len(kept()) != 0 {
		t.Errorf("after the job there are %v", kept())
	}
}

// A sudden end between a request's pictures and its record leaves pictures that no job names.
func TestPicturesOfNoJobGoAtTheNextStart(t *testing.T) {
	w := coordtest.New(t)
	body, err := json.Marshal(api.JobRequest{Prompt: "a red circle", InitImage: coordtest.Picture(7)})
	if err != nil {
		t.Fatal(err)
	}
	w.Node()
	job := w.Submit(string(body))
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	inputs := filepath.Join(w.Dir, "artifacts", "inputs")
	orphan := filepath.Join(inputs, "job-that-never-was")
	if err := errors.Join(os.Mkdir(orphan, 0o700), os.WriteFile(filepath.Join(orphan, ident.Digest(nil)), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	w.Start()
	left, err := filepath.Glob(filepath.Join(inputs, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != job.ID {
		t.Errorf("left: %v (%v), want those of %s", left, err, job.ID)
	}
}
