package job

import (
	"context"
	"slices"
	"sync"

	"github.com/easelgrid/easel/api"
)

// An Event is one thing that happened to a job; exactly one pointer is set.
type Event struct {
	Job      *api.Job
	Image    *api.Image
	Progress *api.Progressed
	Preview  *api.Previewed
	revision uint64 // of the record, for job and image
}

// droppable reports whether a later event of the same kind makes this one worthless.
func (e Event) droppable() bool { return e.Progress != nil || e.Preview != nil }

func (e Event) sameKind(other Event) bool {
	return (e.Progress != nil) == (other.Progress != nil) && (e.Preview != nil) == (other.Preview != nil) &&
		e.droppable() == other.droppable()
}

// events hands what happens to jobs to whoever watches them.
type events struct {
	mu    sync.Mutex
	feeds map[string]map[*Feed]bool // by job
}

// A Feed is one watcher's events in order. A slow watcher finds only the newest progress and
// preview, and every image and state.
type Feed struct {
	ready chan struct{} // holds a token while there is something to take
	stop  func()

	mu      sync.Mutex
	since   uint64 // revision of what the watcher began with
	pending []Event
}

// Ready holds a token while there is something to take.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Stop ends the feed.
func (f *Feed) Stop() { f.stop() }

func newEvents() *events { return &events{feeds: map[string]map[*Feed]bool{}} }

// watch begins a feed of the job's events from now on.
func (e *events) watch(job string) *Feed {
	f := &Feed{ready: make(chan struct{}, 1)}
	f.stop = func() { e.forget(job, f) }
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.feeds[job] == nil {
		e.feeds[job] = map[*Feed]bool{}
	}
	e.feeds[job][f] = true
	return f
}

// Follow returns a job as it is now and a feed of all that happens to it afterwards. The caller stops the
// feed.
func (j *Jobs) Follow(ctx context.Context, id string) (Snapshot, *Feed, error) {
	feed := j.events.watch(id) // before the job is read, so that nothing is missed between
	s, err := j.Find(ctx, id)
	if err != nil {
		feed.Stop()
		return s, nil, err
	}
	feed.mu.Lock()
	feed.since = s.revision
	feed.mu.Unlock()
	return s, feed, nil
}

func (e *events) forget(job string, f *Feed) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.feeds[job], f)
	if len(e.feeds[job]) == 0 {
		delete(e.feeds, job)
	}
}

func (e *events) publish(job string, ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for f := range e.feeds[job] {
		f.push(ev)
	}
}

func (f *Feed) push(ev Event) {
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

// Take returns what has come since the last call and is newer than what the feed began with, oldest first.
func (f *Feed) Take() []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := slices.DeleteFunc(f.pending, func(e Event) bool { return !e.droppable() && e.revision <= f.since })
	f.pending = nil
	return taken
}
