package coordinator

import (
	"net/http"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestJobFromPromptToPicture(t *testing.T) {
	w := newWorld(t)
	if !w.where.First {
		t.Error("not the first start")
	}
	n := w.newNode()
	if err := n.join(w.token); err != nil {
		t.Fatal(err)
	}
	job := w.submit(`{"prompt":"a red circle","n":2,"seed":7}`)
	if job.State != api.StateQueued && job.State != api.StateAssigned || job.Spec.Width != 128 || job.Spec.Model != "shapes" {
		t.Fatalf("job: %+v", job)
	}
	a := n.assigned()
	n.progress(a.Attempt, 1)
	n.done(a)
	n.settled(a.Attempt)
	job = w.job(job.ID)
	if job.State != api.StateSucceeded || len(job.Images) != 2 || job.Receipt == nil || job.NodeID != n.id || job.Attempt != 1 {
		t.Fatalf("job: %+v", job)
	}
	for i, image := range job.Images {
		want := picture(7 + int64(i))
		got := w.call("GET", image.URL, "", "Authorization", "")
		if got.status != http.StatusOK || string(got.body) != string(want) || got.header.Get("Content-Type") != "image/png" {
			t.Errorf("image %d: status %d, %d bytes", i, got.status, len(got.body))
		}
		part := w.call("GET", image.URL, "", "Range", "bytes=0-3")
		if part.status != http.StatusPartialContent || string(part.body) != string(want[:4]) {
			t.Errorf("range of image %d: %d %q", i, part.status, part.body)
		}
	}
}
