package job

import (
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/internal/ident"
)

// A sudden end between a job's Record and its place in line leaves a job that only its client's next
// request gives one, and a start in between sweeps its pictures.
func TestARepeatedRequestBringsItsPicturesAgain(t *testing.T) {
	s, a := sharedStore(t)
	j := openJobs(t, s, a)
	order := Submission{Spec: api.ImageSpec{Model: "shapes", N: 1}, Pictures: [][]byte{artifacttest.Picture(7)}, Key: &IdempotencyKey{"again", "digest"}}
	job, err := j.Submit(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	_, place, err := j.queue.places.Get(t.Context(), job.ID)
	if err != nil || j.queue.leave(t.Context(), job.ID, place) != nil {
		t.Fatal(err)
	}
	j = openJobs(t, s, a)
	if again, err := j.Submit(t.Context(), order); err != nil || again.ID != job.ID {
		t.Fatalf("%s, %v, want job %s", again.ID, err, job.ID)
	}
	file, err := a.OpenInput(job.ID, ident.Digest(artifacttest.Picture(7)))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
}

func TestARefusedJobLeavesNoAlias(t *testing.T) {
	s, a := sharedStore(t)
	j := openJobs(t, s, a)
	exceeded := &api.Error{Code: api.CodeQuotaExceeded, Message: "exceeded"}
	order := Submission{Spec: api.ImageSpec{Model: "shapes", N: 1}, Dialect: "first", Alias: "7", Admit: func() error { return exceeded }}
	if _, err := j.Submit(t.Context(), order); err != exceeded {
		t.Fatalf("got %v", err)
	}
	if id, err := j.Unalias(t.Context(), "first", "7"); id != "" || err != nil {
		t.Errorf("the alias is of %q, %v", id, err)
	}
	order.Admit = func() error { return nil }
	job, err := j.Submit(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := j.Unalias(t.Context(), "first", "7"); id != job.ID || err != nil {
		t.Errorf("the alias is of %q, %v", id, err)
	}
}
