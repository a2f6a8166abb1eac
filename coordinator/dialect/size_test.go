package dialect

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/api"
)

// picky is a Service that takes multiples of 8 only, and keeps what it was given last.
type picky struct {
	Service
	job api.JobRequest
}

func (p *picky) Submit(_ context.Context, _ Caller, r Request) (api.Job, error) {
	p.job = r.Job
	if *r.Job.Width%8 != 0 {
		return api.Job{}, api.Invalid([]api.Fault{{Field: "width", Value: "1", Limit: "multiples of 8"}})
	}
	if *r.Job.Height%8 != 0 {
		return api.Job{}, api.Invalid([]api.Fault{{Field: "height", Value: "1", Limit: "multiples of 8"}})
	}
	return api.Job{ID: "a"}, nil
}

func TestSubmitSized(t *testing.T) {
	for name, c := range map[string]struct{ width, height, madeWidth, madeHeight, outWidth, outHeight int }{
		"as it is":      {1024, 768, 1024, 768, 0, 0},
		"no multiple":   {1366, 768, 1368, 768, 1366, 768},
		"halfway is up": {764, 999, 768, 1000, 764, 999},
		"too small":     {1, 1024, 64, 1024, 1, 1024},
		"too large":     {9999, 1024, 4096, 1024, 9999, 1024},
	} {
		t.Run(name, func(t *testing.T) {
			s := &picky{}
			job, err := SubmitSized(t.Context(), s, Caller{}, Request{Job: api.JobRequest{Width: &c.width, Height: &c.height}})
			if err != nil || job.ID != "a" {
				t.Fatal(err)
			}
			want := api.JobRequest{Width: &c.madeWidth, Height: &c.madeHeight}
			if c.outWidth != 0 {
				want.OutputWidth, want.OutputHeight = &c.outWidth, &c.outHeight
			}
			if diff := cmp.Diff(want, s.job); diff != "" {
				t.Error(diff)
			}
		})
	}
}
