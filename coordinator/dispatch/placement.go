package coordinator

import (
	"fmt"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
)

// A candidate is a node as placement sees it, copied from its owner.
type candidate struct {
	id        string
	connected bool
	draining  bool
	revoked   bool
	slots     int
	busy      int
	runtimes  []api.Runtime
	tooLarge  map[string]int // by model: pixels that were out of its memory
	lastModel string
}

// capable returns the runtime of the node that can make the spec, whether or not it has time for it,
// or why there is none.
func (c candidate) capable(spec api.ImageSpec) (runtime, reason string) {
	if pixels, ok := c.tooLarge[spec.Model]; ok && spec.Width*spec.Height >= pixels {
		return "", fmt.Sprintf("it ran out of memory with model %s at %d pixels", spec.Model, pixels)
	}
	reason = "it has no runtime"
	for _, r := range c.runtimes {
		err := r.Check(spec)
		if err == nil {
			return r.Name, ""
		}
		reason = err.Error()
	}
	return "", reason
}

// fits returns the runtime to use now for the job, or why the node cannot take it now.
func (c candidate) fits(w waiting, now time.Time) (runtime, reason string) {
	switch until, shunned := w.shunned[c.id]; {
	case c.revoked:
		return "", "it is revoked"
	case !c.connected:
		return "", "it is not connected"
	case c.draining:
		return "", "it is draining"
	case shunned && now.Before(until):
		return "", fmt.Sprintf("it declined the job; it is asked again in %s", until.Sub(now).Round(time.Second))
	}
	runtime, reason = c.capable(w.spec)
	if reason == "" && c.busy >= c.slots {
		return "", fmt.Sprintf("its slots are busy: %d of %d", c.busy, c.slots)
	}
	return runtime, reason
}

// choose picks the node for a job: one that did not lose it before, then one that had the model last
// and so has it loaded, then the least busy. It returns -1 when none fits now.
func choose(w waiting, candidates []candidate, now time.Time) (best int, runtime string) {
	best = -1
	for i, c := range candidates {
		r, reason := c.fits(w, now)
		if reason == "" && (best < 0 || better(w, c, candidates[best])) {
			best, runtime = i, r
		}
	}
	return best, runtime
}

func better(w waiting, a, b candidate) bool {
	if x, y := slices.Contains(w.avoid, a.id), slices.Contains(w.avoid, b.id); x != y {
		return !x
	}
	if x, y := a.lastModel == w.spec.Model, b.lastModel == w.spec.Model; x != y {
		return x
	}
	return a.busy < b.busy
}
