package nn

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel runs task(worker, i) for every i below tasks on up to limit goroutines; worker is below limit and
// is held by one goroutine at a time, so it can index scratch memory. Which worker runs which task varies, so
// a task must write only what is its own.
func parallel(limit, tasks int, task func(worker, i int)) {
	limit = min(limit, tasks)
	if limit <= 1 {
		for i := range tasks {
			task(0, i)
		}
		return
	}
	var next atomic.Int64
	work := func(worker int) {
		for i := next.Add(1) - 1; i < int64(tasks); i = next.Add(1) - 1 {
			task(worker, int(i))
		}
	}
	var group sync.WaitGroup
	for worker := 1; worker < limit; worker++ {
		group.Go(func() { work(worker) })
	}
	work(0)
	group.Wait()
}

// workers is how many goroutines are worth starting for an operation of about that many multiplications.
func workers(cost int) int {
	const worthwhile = 200_000
	return max(1, min(runtime.GOMAXPROCS(0), cost/worthwhile))
}
