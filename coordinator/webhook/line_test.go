package webhook

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A day of failures: the pauses double from 100 ms to 10 min, each up to a quarter shorter.
func TestWebhookPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newLine()
		start := time.Now()
		var at []time.Time
		l.add(&delivery{job: "a", due: due{Since: start, Next: start}})
		l.run(ctx, func(_ context.Context, d *delivery) {
			at = append(at, time.Now())
			d.due.Tries++
			d.due.Next = time.Now().Add(pauses.After(d.due.Tries))
			if d.due.Next.Sub(d.due.Since) > giveUpAfter {
				d.ended = true
				cancel()
			}
		})
		want := pauses.Base
		for i := 1; i < len(at); i++ {
			if pause := at[i].Sub(at[i-1]); pause > want || pause < want-want/4 {
				t.Errorf("pause %d is %s, want about %s", i, pause, want)
			}
			want = min(2*want, pauses.Limit)
		}
		if len(at) < 150 || len(at) > 210 || len(l.byJob) != 0 {
			t.Errorf("%d tries in a day, %d pending", len(at), len(l.byJob))
		}
		if total := at[len(at)-1].Sub(start); total > giveUpAfter || total < giveUpAfter-pauses.Limit {
			t.Errorf("given up after %s", total)
		}
	})
}

// One host that does not answer leaves room for the others.
func TestOneSlowHostLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newLine()
		for i := range 50 {
			l.add(&delivery{job: fmt.Sprintf("slow %02d", i), due: due{URL: "http://slow.example/"}})
			l.add(&delivery{job: fmt.Sprintf("z %02d", i), due: due{URL: fmt.Sprintf("http://%d.example/", i)}})
		}
		var mu sync.Mutex
		now, most, done := map[string]int{}, 0, map[string]int{}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.run(ctx, func(ctx context.Context, d *delivery) {
				slow := strings.HasPrefix(d.job, "slow")
				kind := map[bool]string{true: "slow", false: "other"}[slow]
				mu.Lock()
				now[kind]++
				most = max(most, now["slow"]+now["other"])
				if now["slow"] > sendingToOne {
					t.Errorf("%d to one host at once", now["slow"])
				}
				mu.Unlock()
				if slow {
					<-ctx.Done()
				} else {
					time.Sleep(time.Second)
				}
				mu.Lock()
				now[kind]--
				done[kind]++
				mu.Unlock()
				d.ended = true
			})
		}()
		time.Sleep(10 * time.Second)
		mu.Lock()
		if done["other"] != 50 || done["slow"] != 0 || most != sendingAtOnce {
			t.Errorf("done %v, at most %d at once", done, most)
		}
		mu.Unlock()
		cancel()
		<-ended
	})
}
