package coordinator

import (
	"sync"

	"github.com/easelgrid/easel/api"
)

// An event is one thing that happened to a job; exactly one pointer is set.
type event struct {
	revision uint64 // of the record, for job and image
	job      *api.Job
	image    *api.Image
	progress *api.Progressed
	preview  *api.Previewed
}

// droppable reports whether a later event of the same kind makes this one worthless.
func (e event) droppable() bool { return e.progress != nil || e.preview != nil }

func (e event) sameKind(other event) bool {
	return (e.progress != nil) == (other.progress != nil) && (e.preview != nil) == (other.preview != nil) &&
		e.droppable() == other.droppable()
}

// events hands what happens to jobs to whoever watches them.
type events struct {
	mu    sync.Mutex
	feeds map[string]map[*feed]bool // by job
}

// A feed is one watcher's events in order. A slow watcher finds only the newest progress and
// preview, and every image and state.
type feed struct {
	ready chan struct{} // holds a token while there is something to take

	mu      sync.Mutex
	pending []event
}

func newEvents() *events { return &events{feeds: map[string]map[*feed]bool{}} }

// watch begins a feed of the job's events from now on; stop ends it.
func (e *events) watch(job string) (f *feed, stop func()) {
	f = &feed{ready: make(chan struct{}, 1)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.feeds[job] == nil {
		e.feeds[job] = map[*feed]bool{}
	}
	e.feeds[job][f] = true
	return f, func() { e.forget(job, f) }
}

func (e *events) forget(job string, f *feed) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.feeds[job], f)
	if len(e.feeds[job]) == 0 {
		delete(e.feeds, job)
	}
}

func (e *events) publish(job string, ev event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for f := range e.feeds[job] {
		f.push(ev)
	}
}

func (f *feed) push(ev event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ev.droppable() {
		for i, old := range f.pending {
			if old.sameKind(ev) {
				f.pending = append(f.pending[:i], f.pending[i+1:]...)
				break
			}
		}
	}
	f.pending = append(f.pending, ev)
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// take returns what has come since the last call, oldest first.
func (f *feed) take() []event {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := f.pending
	f.pending = nil
	return taken
}
