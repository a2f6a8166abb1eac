package coordinator

import (
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
)

func TestChoose(t *testing.T) {
	now := time.Now()
	spec := api.ImageSpec{Model: "shapes", Scheduler: "DDIMScheduler", Width: 128, Height: 128}
	with := func(id string, edit ...func(*candidate)) candidate {
		c := candidate{id: id, connected: true, slots: 2, runtimes: []api.Runtime{testRuntime}}
		for _, e := range edit {
			e(&c)
		}
		return c
	}
	busy := func(n int) func(*candidate) { return func(c *candidate) { c.busy = n } }
	loaded := func(c *candidate) { c.lastModel = "shapes" }
	for name, c := range map[string]struct {
		job        waiting
		candidates []candidate
		want       string
	}{
		"nobody":                  {waiting{spec: spec}, nil, ""},
		"the only one":            {waiting{spec: spec}, []candidate{with("a")}, "a"},
		"the least busy":          {waiting{spec: spec}, []candidate{with("a", busy(1)), with("b")}, "b"},
		"the one with the model":  {waiting{spec: spec}, []candidate{with("a"), with("b", busy(1), loaded)}, "b"},
		"not the one that lost":   {waiting{spec: spec, avoid: []string{"a"}}, []candidate{with("a", loaded), with("b", busy(1))}, "b"},
		"even so when alone":      {waiting{spec: spec, avoid: []string{"a"}}, []candidate{with("a")}, "a"},
		"no free slot":            {waiting{spec: spec}, []candidate{with("a", busy(2))}, ""},
		"draining":                {waiting{spec: spec}, []candidate{with("a", func(c *candidate) { c.draining = true })}, ""},
		"away":                    {waiting{spec: spec}, []candidate{with("a", func(c *candidate) { c.connected = false })}, ""},
		"revoked":                 {waiting{spec: spec}, []candidate{with("a", func(c *candidate) { c.revoked = true })}, ""},
		"without runtime":         {waiting{spec: spec}, []candidate{with("a", func(c *candidate) { c.runtimes = nil })}, ""},
		"declined a moment ago":   {waiting{spec: spec, shunned: map[string]time.Time{"a": now.Add(time.Second)}}, []candidate{with("a")}, ""},
		"declined long ago":       {waiting{spec: spec, shunned: map[string]time.Time{"a": now}}, []candidate{with("a")}, "a"},
		"too large":               {waiting{spec: spec}, []candidate{with("a", func(c *candidate) { c.tooLarge = map[string]int{"shapes": 128 * 128} })}, ""},
		"smaller than too large":  {waiting{spec: spec}, []candidate{with("a", func(c *candidate) { c.tooLarge = map[string]int{"shapes": 256 * 256} })}, "a"},
		"another model too large": {waiting{spec: spec}, []candidate{with("a", func(c *candidate) { c.tooLarge = map[string]int{"other": 1} })}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			i, runtime := choose(c.job, c.candidates, now)
			got := ""
			if i >= 0 {
				got = c.candidates[i].id
			}
			if got != c.want || i >= 0 && runtime != "test" {
				t.Errorf("chose %q (%s), want %q", got, runtime, c.want)
			}
			for _, candidate := range c.candidates {
				if _, reason := candidate.fits(c.job, now); c.want == "" && strings.TrimSpace(reason) == "" {
					t.Errorf("no reason for %s", candidate.id)
				}
			}
		})
	}
}

// A small free job passes a large one that fits nowhere.
func TestJobThatFitsNowhereHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	n := w.newNode()
	n.runtimes[0].MaxPixels = 128 * 128
	big := w.submit(`{"prompt":"a","width":512,"height":512}`)
	small := w.submit(`{"prompt":"a"}`)
	if err := n.join(w.token); err != nil {
		t.Fatal(err)
	}
	if a := n.assigned(); a.Job != small.ID {
		t.Errorf("assigned %s", a.Job)
	}
	e := decoded[explanation](t, w.call("GET", "/easel/v1/jobs/"+big.ID+"/explain", ""))
	if len(e.Nodes) != 1 || !strings.Contains(e.Nodes[0].Reason, "at most 16384 pixels") {
		t.Errorf("explanation: %+v", e)
	}
}
