package nn

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// job is an operation in numbered tasks, which may run in any order and on any goroutine, so each writes only what is
// its own. worker is below the limit that parallel got, and is held by one goroutine at a time: it can index scratch
// memory.
type job interface{ do(worker, task int) }

// parallel runs the job on the calling goroutine and up to limit-1 others.
func (m *Arena) parallel(limit, tasks int, j job) {
	limit = min(limit, tasks)
	if limit <= 1 {
		for i := range tasks {
			j.do(0, i)
		}
		return
	}
	if m.share == nil {
		m.share = m.team.run
	}
	m.share(limit, tasks, j)
}

// team runs one job at a time on goroutines that live as long as the job. It is part of the arena and used again and
// again: a job allocates nothing.
type team struct {
	job    job
	tasks  int64
	next   atomic.Int64 // the first task that nobody has taken
	joined atomic.Int64
	others sync.WaitGroup
	help   func() // what each of the others runs; made once, since a closure allocates
}

func (t *team) run(limit, tasks int, j job) {
	if t.help == nil {
		t.help = func() {
			t.work(int(t.joined.Add(1)))
			t.others.Done()
		}
	}
	t.job, t.tasks = j, int64(tasks)
	t.next.Store(0)
	t.joined.Store(0)
	t.others.Add(limit - 1)
	for range limit - 1 {
		go t.help()
	}
	t.work(0)
	t.others.Wait()
	t.job = nil
}

func (t *team) work(worker int) {
	for i := t.next.Add(1) - 1; i < t.tasks; i = t.next.Add(1) - 1 {
		t.job.do(worker, int(i))
	}
}

// workers is how many goroutines are worth using for an operation of about that many multiplications.
func workers(cost int) int {
	worthwhile := 200_000
	if vectors() {
		worthwhile = 1_000_000
	}
	return max(1, min(runtime.GOMAXPROCS(0), cost/worthwhile))
}

// elementWorkers is workers for an operation that reads its elements once.
func elementWorkers(cost int) int {
	if vectors() {
		cost /= 2
	}
	return workers(cost)
}
