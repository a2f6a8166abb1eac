package dispatch

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/coordinator/job"
)

// Three of four nodes fall silent together: nothing is taken from them for one more lease, then it is.
func TestManySilentNodesArePardonedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, leases := fleet.New(nil), job.NewLeases(5*time.Second, 15*time.Second)
		d := New(nil, nodes, leases, time.Second, slog.New(slog.DiscardHandler))
		var sessions []*fleet.Mailbox
		for _, id := range []string{"a", "b", "c", "d"} {
			m := fleet.NewMailbox(id)
			sessions = append(sessions, m)
			nodes.Attach(m, api.Register{})
		}
		ended := func() (n int) {
			for _, s := range sessions {
				select {
				case <-s.Ended():
					n++
				default:
				}
			}
			return n
		}
		leases.Inherit(api.Attempt{Job: "j", Number: 1}, "a")
		time.Sleep(14 * time.Second)
		nodes.Heartbeat(sessions[3], api.Heartbeat{})
		time.Sleep(6 * time.Second) // the lease of j has expired now
		d.sweep(t.Context())
		if ended() != 0 || len(leases.Expired()) != 0 {
			t.Fatalf("%d sessions ended and %d leases at the first sweep", ended(), len(leases.Expired()))
		}
		nodes.Heartbeat(sessions[3], api.Heartbeat{})
		nodes.Heartbeat(sessions[0], api.Heartbeat{Held: []api.Attempt{{Job: "j", Number: 1}}})
		leases.Renew(api.Attempt{Job: "j", Number: 1}, "a")
		time.Sleep(14 * time.Second)
		nodes.Heartbeat(sessions[3], api.Heartbeat{})
		nodes.Heartbeat(sessions[0], api.Heartbeat{})
		time.Sleep(900 * time.Millisecond)
		leases.Renew(api.Attempt{Job: "j", Number: 1}, "a")
		time.Sleep(100 * time.Millisecond)
		d.sweep(t.Context())
		if ended() != 2 {
			t.Errorf("%d sessions ended after the second lease, want those of b and c", ended())
		}
	})
}

func TestSuspectOurselves(t *testing.T) {
	for _, c := range []struct {
		silent, all int
		want        bool
	}{{0, 0, false}, {1, 1, false}, {2, 2, false}, {1, 3, false}, {2, 3, true}, {2, 4, false}, {3, 4, true}} {
		if got := suspectOurselves(c.silent, c.all); got != c.want {
			t.Errorf("%d of %d: %v", c.silent, c.all, got)
		}
	}
}
