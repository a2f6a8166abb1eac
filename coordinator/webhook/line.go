package webhook

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/easelgrid/easel/internal/backoff"
)

const (
	giveUpAfter   = 24 * time.Hour
	sendingAtOnce = 16
	sendingToOne  = 4 // host at once, so that one that does not answer leaves room for others
	longestNap    = time.Hour
)

// pauses are those between the tries of one report.
var pauses = backoff.Policy{Base: 100 * time.Millisecond, Limit: 10 * time.Minute, Jitter: 0.25}

// A delivery is a pending report in memory.
type delivery struct {
	job      string
	due      due
	revision uint64
	sending  bool
	ended    bool
}

func (d *delivery) host() string {
	u, err := url.Parse(d.due.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// A line is the pending reports and a bounded pool that sends them when they are due. A delivery belongs to
// its sender while it is being sent, and to the line otherwise.
type line struct {
	mu    sync.Mutex
	byJob map[string]*delivery
	woken chan struct{} // holds a token when there is something new
}

func newLine() *line {
	return &line{byJob: map[string]*delivery{}, woken: make(chan struct{}, 1)}
}

// add puts a delivery into the line; one of a job that is in it already is left out.
func (l *line) add(d *delivery) {
	l.mu.Lock()
	if l.byJob[d.job] == nil {
		l.byJob[d.job] = d
	}
	l.mu.Unlock()
	l.wake()
}

func (l *line) wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// pending counts an owner's deliveries.
func (l *line) pending(owner string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, d := range l.byJob {
		if d.due.Owner == owner {
			n++
		}
	}
	return n
}

// run hands each delivery to send when it is due, until ctx ends and every send has.
func (l *line) run(ctx context.Context, send func(context.Context, *delivery)) {
	var group sync.WaitGroup
	defer group.Wait()
	for {
		now := time.Now() // for both: what becomes due between them would wait for the next wake
		for _, d := range l.take(now) {
			group.Go(func() {
				send(ctx, d)
				l.finish(d)
			})
		}
		timer := time.NewTimer(l.nap(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.woken:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// take returns what is due and has room, the longest due first.
func (l *line) take(now time.Time) []*delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	var due []*delivery
	busy, all := map[string]int{}, 0
	for _, d := range l.byJob {
		if d.sending {
			busy[d.host()]++
			all++
		} else if !now.Before(d.due.Next) {
			due = append(due, d)
		}
	}
	slices.SortFunc(due, func(a, b *delivery) int {
		return cmp.Or(a.due.Next.Compare(b.due.Next), cmp.Compare(a.job, b.job))
	})
	return slices.DeleteFunc(due, func(d *delivery) bool {
		host := d.host()
		if all >= sendingAtOnce || busy[host] >= sendingToOne {
			return true
		}
		busy[host]++
		all++
		d.sending = true
		return false
	})
}

func (l *line) finish(d *delivery) {
	l.mu.Lock()
	d.sending = false
	if d.ended {
		delete(l.byJob, d.job)
	}
	l.mu.Unlock()
	l.wake()
}

// nap is how long until the next one becomes due. What is due and has no room is woken for by a finish.
func (l *line) nap(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	nap := longestNap
	for _, d := range l.byJob {
		if d.sending {
			continue
		}
		if wait := d.due.Next.Sub(now); wait > 0 {
			nap = min(nap, wait)
		}
	}
	return nap
}
