package agent

import (
	"context"
	"time"

	"github.com/easelgrid/easel/api"
)

// settleLimit is how long a stopping agent waits for the coordinator to record results that are
// delivered already. They are on the disk: what is not recorded by then is reported again at the next
// start.
const settleLimit = 10 * time.Second

// drain finishes what this node holds. It ends early with ctx, when there is no session any more and
// never will be.
func (a *agent) drain(ctx context.Context) {
	a.log.Info("draining", "held", len(a.slots.names()))
	a.slots.leave()
	limited, cancel := context.WithTimeout(ctx, a.config.DrainTimeout)
	defer cancel()
	if !a.slots.until(limited, nobodyWorks) {
		a.slots.stop()
		a.slots.until(context.WithoutCancel(ctx), nobodyWorks)
	}
	settling, cancel := context.WithTimeout(ctx, min(settleLimit, a.config.DrainTimeout))
	defer cancel()
	if !a.slots.until(settling, nothingHeld) {
		a.log.Info("results are kept for the next start", "held", len(a.slots.names()))
	}
}

func nobodyWorks(held map[api.Attempt]*attempt) bool {
	for _, a := range held {
		if a.working || a.making { // an accepted one may not have begun yet
			return false
		}
	}
	return true
}

func nothingHeld(held map[api.Attempt]*attempt) bool { return len(held) == 0 }
