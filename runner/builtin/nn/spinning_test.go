package nn

import (
	"sync"
	"sync/atomic"
)

// Spinning is an arena whose jobs are shared by goroutines that stay and spin, as the engine's once were: what
// BenchmarkParallel compares the plain ones with.
func Spinning() *Arena {
	var c crew
	return &Arena{share: c.run}
}

// crew runs one job at a time on helpers that look for work for some microseconds before they sleep. It allocates
// nothing.
type crew struct {
	job   job
	tasks int64
	next  atomic.Int64
	// state is the number of the call and, in the low bits, how many helpers have joined it. A helper that comes
	// when the call has ended finds another number and goes away.
	state atomic.Uint64
	// left counts the helpers that have joined and not finished, from the moment that the call asks; before that it
	// is below zero.
	left atomic.Int64
	done chan struct{}
}

// joinedBits is the width of the number of helpers in crew.state.
const joinedBits = 16

// run runs the job on the calling goroutine and up to limit-1 helpers.
func (c *crew) run(limit, tasks int, j job) {
	if c.done == nil {
		c.done = make(chan struct{}, 1)
	}
	c.job, c.tasks = j, int64(tasks)
	c.next.Store(0)
	call := c.state.Load() >> joinedBits
	ask(limit-1, invitation{c, call})
	c.work(0)
	joined := int64(c.state.Swap((call+1)<<joinedBits) & (1<<joinedBits - 1))
	c.await(joined)
	c.job = nil
}

func (c *crew) work(worker int) {
	for i := c.next.Add(1) - 1; i < c.tasks; i = c.next.Add(1) - 1 {
		c.job.do(worker, int(i))
	}
}

// await returns when all who joined have finished. They are in their last tasks, so looking for a moment is cheaper than
// sleeping.
func (c *crew) await(joined int64) {
	if c.left.Add(joined) == 0 {
		return
	}
	for range spins {
		if c.left.Load() == 0 {
			break
		}
	}
	<-c.done
}

// invitation asks a helper to join a call.
type invitation struct {
	crew *crew
	call uint64
}

// accept joins the call if it is still going on, and works.
func (v invitation) accept() {
	c := v.crew
	for {
		s := c.state.Load()
		if s>>joinedBits != v.call {
			return
		}
		if c.state.CompareAndSwap(s, s+1) {
			c.work(int(s&(1<<joinedBits-1)) + 1)
			if c.left.Add(-1) == 0 {
				c.done <- struct{}{}
			}
			return
		}
	}
}

// helpers are goroutines that stay for the whole life of the process, since starting one allocates. All arenas share
// them.
var helpers struct {
	started atomic.Int64
	lock    sync.Mutex
	invited chan invitation
}

// helperLimit is the largest number of helpers, and of invitations that wait.
const helperLimit = 256

func init() { helpers.invited = make(chan invitation, helperLimit) }

// spins is how often one looks for news before sleeping: about the time that waking another thread takes.
const spins = 4000

// ask invites n helpers, as far as the queue has room.
func ask(n int, v invitation) {
	n = min(n, helperLimit)
	if helpers.started.Load() < int64(n) {
		helpers.lock.Lock()
		for helpers.started.Load() < int64(n) {
			helpers.started.Add(1)
			go help()
		}
		helpers.lock.Unlock()
	}
	for range n {
		select {
		case helpers.invited <- v:
		default:
			return
		}
	}
}

func help() {
	for {
		nextInvitation().accept()
	}
}

// nextInvitation looks for a moment before it sleeps: the operations of a network follow one another closely.
func nextInvitation() invitation {
	for range spins {
		select {
		case v := <-helpers.invited:
			return v
		default:
		}
	}
	return <-helpers.invited
}
