package dispatch

import (
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/coordinator/job"
)

var runtime = api.Runtime{
	Name: "test", Schedulers: []string{"DDIMScheduler"}, Features: []string{api.FeatureTxt2Img}, MaxPixels: 1 << 20, SizeStep: 8,
	Models: []api.Model{{Name: "shapes"}},
}

func TestChoose(t *testing.T) {
	now := time.Now()
	spec := api.ImageSpec{Model: "shapes", Scheduler: "DDIMScheduler", Width: 128, Height: 128}
	with := func(id string, edit ...func(*fleet.Candidate)) fleet.Candidate {
		c := fleet.Candidate{ID: id, Connected: true, Slots: 2, Runtimes: []api.Runtime{runtime}}
		for _, e := range edit {
			e(&c)
		}
		return c
	}
	busy := func(n int) func(*fleet.Candidate) { return func(c *fleet.Candidate) { c.Busy = n } }
	loaded := func(c *fleet.Candidate) { c.LastModel = "shapes" }
	for name, c := range map[string]struct {
		job        job.Queued
		candidates []fleet.Candidate
		want       string
	}{
		"nobody":                  {job.Queued{Spec: spec}, nil, ""},
		"the only one":            {job.Queued{Spec: spec}, []fleet.Candidate{with("a")}, "a"},
		"the least busy":          {job.Queued{Spec: spec}, []fleet.Candidate{with("a", busy(1)), with("b")}, "b"},
		"the one with the model":  {job.Queued{Spec: spec}, []fleet.Candidate{with("a"), with("b", busy(1), loaded)}, "b"},
		"not the one that lost":   {job.Queued{Spec: spec, Avoid: []string{"a"}}, []fleet.Candidate{with("a", loaded), with("b", busy(1))}, "b"},
		"even so when alone":      {job.Queued{Spec: spec, Avoid: []string{"a"}}, []fleet.Candidate{with("a")}, "a"},
		"no free slot":            {job.Queued{Spec: spec}, []fleet.Candidate{with("a", busy(2))}, ""},
		"draining":                {job.Queued{Spec: spec}, []fleet.Candidate{with("a", func(c *fleet.Candidate) { c.Draining = true })}, ""},
		"away":                    {job.Queued{Spec: spec}, []fleet.Candidate{with("a", func(c *fleet.Candidate) { c.Connected = false })}, ""},
		"revoked":                 {job.Queued{Spec: spec}, []fleet.Candidate{with("a", func(c *fleet.Candidate) { c.Revoked = true })}, ""},
		"without runtime":         {job.Queued{Spec: spec}, []fleet.Candidate{with("a", func(c *fleet.Candidate) { c.Runtimes = nil })}, ""},
		"declined a moment ago":   {job.Queued{Spec: spec, Shunned: map[string]time.Time{"a": now.Add(time.Second)}}, []fleet.Candidate{with("a")}, ""},
		"declined long ago":       {job.Queued{Spec: spec, Shunned: map[string]time.Time{"a": now}}, []fleet.Candidate{with("a")}, "a"},
		"too large":               {job.Queued{Spec: spec}, []fleet.Candidate{with("a", func(c *fleet.Candidate) { c.TooLarge = map[string]int{"shapes": 128 * 128} })}, ""},
		"smaller than too large":  {job.Queued{Spec: spec}, []fleet.Candidate{with("a", func(c *fleet.Candidate) { c.TooLarge = map[string]int{"shapes": 256 * 256} })}, "a"},
		"another model too large": {job.Queued{Spec: spec}, []fleet.Candidate{with("a", func(c *fleet.Candidate) { c.TooLarge = map[string]int{"other": 1} })}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			i, chosen := choose(c.job, c.candidates, now)
			got := ""
			if i >= 0 {
				got = c.candidates[i].ID
			}
			if got != c.want || i >= 0 && chosen != "test" {
				t.Errorf("chose %q (%s), want %q", got, chosen, c.want)
			}
			for _, candidate := range c.candidates {
				if _, reason := fits(c.job, candidate, now); c.want == "" && strings.TrimSpace(reason) == "" {
					t.Errorf("no reason for %s", candidate.ID)
				}
			}
		})
	}
}
