package coordinator_test

import (
	"net/http"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/coordtest"
)

func TestJobFromPromptToPicture(t *testing.T) {
	w := coordtest.New(t)
	if !w.Where.First {
		t.Error("not the first start")
	}
	n := w.NewNode()
	if err := n.Join(w.Token); err != nil {
		t.Fatal(err)
	}
	job := w.Submit(`{"prompt":"a red circle","n":2,"seed":7}`)
	if job.State != api.StateQueued && job.State != api.StateAssigned || job.Spec.Width != 128 || job.Spec.Model != "shapes" {
		t.Fatalf("job: %+v", job)
	}
	a := n.Assigned()
	n.Progress(a.Attempt, 1)
	n.Done(a)
	n.Settled(a.Attempt)
	job = w.Job(job.ID)
	if job.State != api.StateSucceeded || len(job.Images) != 2 || job.Receipt == nil || job.NodeID != n.ID || job.Attempt != 1 {
		t.Fatalf("job: %+v", job)
	}
	for i, image := range job.Images {
		want := coordtest.Picture(7 + int64(i))
		got := w.Call("GET", image.URL, "", "Authorization", "")
		if got.Status != http.StatusOK || string(got.Body) != string(want) || got.Header.Get("Content-Type") != "image/png" {
			t.Errorf("image %d: status %d, %d bytes", i, got.Status, len(got.Body))
		}
		part := w.Call("GET", image.URL, "", "Range", "bytes=0-3")
		if part.Status != http.StatusPartialContent || string(part.Body) != string(want[:4]) {
			t.Errorf("range of image %d: %d %q", i, part.Status, part.Body)
		}
	}
}
