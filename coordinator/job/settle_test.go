package job

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/store"
	"pgregory.net/rapid"
)

// settling is one job over a real store, with what was seen of it.
type settling struct {
	t    *rapid.T
	jobs *Jobs
	id   string
	feed *Feed
}

// newSettling makes a fresh owner of jobs over the shared store with one job of two images.
func newSettling(t *testing.T, rt *rapid.T, s *store.Store, a *artifact.Store) *settling {
	j := openJobs(t, s, a)
	job, err := j.Submit(t.Context(), Submission{Spec: api.ImageSpec{Model: "shapes", N: 2, Width: 64, Height: 64}})
	if err != nil {
		rt.Fatal(err)
	}
	feed := j.events.watch(job.ID)
	rt.Cleanup(feed.Stop)
	rt.Cleanup(func() { // so that the next one does not find it open
		if _, err := j.Cancel(context.WithoutCancel(t.Context()), job.ID); err != nil {
			t.Error(err)
		}
	})
	return &settling{t: rt, jobs: j, id: job.ID, feed: feed}
}

// do applies one end or step of an attempt by its node, whatever state the job is in.
func (s *settling) do(t *testing.T, what string, number int) error {
	node := fmt.Sprintf("node%d", number%2)
	at := api.Attempt{Job: s.id, Number: number}
	_, err := s.jobs.Change(t.Context(), s.id, func(r *Record) error {
		switch what {
		case "assign":
			return r.Assign(fmt.Sprintf("node%d", (r.Job.Attempt+1)%2), "test", nil)
		case "start":
			return r.Start(at, node)
		case "image 0", "image 1":
			return r.Deliver(number, attemptImage(number, int(what[6]-'0')))
		case "done":
			return r.Succeed(at, node, receiptOf(r, number, node))
		case "cancel":
			return r.Cancel()
		}
		return r.Lose(at, node, api.Error{Code: api.Code(what)}, false, time.Now())
	})
	return err
}

// attemptImage is an image whose digest names its attempt.
func attemptImage(number, index int) api.Image {
	return api.Image{Index: index, Seed: int64(index), SHA256: fmt.Sprintf("attempt %d image %d", number, index)}
}

func receiptOf(r *Record, number int, node string) api.Receipt {
	receipt := api.Receipt{Attempt: api.Attempt{Job: r.Job.ID, Number: number}, NodeID: node, Model: "shapes", Width: 64, Height: 64}
	for i := range 2 {
		receipt.Seeds = append(receipt.Seeds, int64(i))
		receipt.ImageDigests = append(receipt.ImageDigests, attemptImage(number, i).SHA256)
	}
	return receipt
}

var steps = []string{"assign", "start", "image 0", "image 1", "done", "cancel",
	string(api.CodeNodeLost), string(api.CodeRuntimeCrashed), string(api.CodeRejected), string(api.CodeUnsupported)}

// check looks at what came of it all.
func (s *settling) check(t *testing.T, ends int) {
	found, err := s.jobs.Find(t.Context(), s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	r := found.Record
	notified, last := 0, uint64(0)
	for _, e := range s.feed.Take() {
		if e.revision <= last && e.Image == nil {
			s.t.Fatalf("events out of order: %d after %d", e.revision, last)
		}
		last = e.revision
		if e.Job != nil && e.Job.State.Terminal() {
			notified++
		}
	}
	settled := r.Job.State.Terminal()
	if settled != (ends == 1) || settled != (notified == 1) || ends > 1 || notified > 1 {
		s.t.Fatalf("job is %s, %d transitions settled it, watchers were notified %d times", r.Job.State, ends, notified)
	}
	if queued, err := s.jobs.queue.Has(t.Context(), s.id); settled == queued || err != nil {
		s.t.Fatalf("job is %s, queue entry: %v, %v", r.Job.State, queued, err)
	}
	for i, image := range r.Job.Images {
		if image.SHA256 != attemptImage(r.Job.Attempt, image.Index).SHA256 || i > 0 && image.Index <= r.Job.Images[i-1].Index {
			s.t.Fatalf("attempt %d has images %+v", r.Job.Attempt, r.Job.Images)
		}
	}
	if r.Job.State == api.StateSucceeded && (len(r.Job.Images) != 2 || r.Job.Receipt.Number != r.Job.Attempt) {
		s.t.Fatalf("succeeded as %+v", r.Job)
	}
	if r.Tries > MaxTries || r.Tries+r.Free > r.Job.Attempt {
		s.t.Fatalf("%d tries and %d free ones in %d attempts", r.Tries, r.Free, r.Job.Attempt)
	}
}

// However the ends of several attempts follow each other, the job settles at most once and keeps
// the images of the right attempt.
func TestJobSettlesOnce(t *testing.T) {
	s, a := sharedStore(t)
	rapid.Check(t, func(rt *rapid.T) {
		job := newSettling(t, rt, s, a)
		ends := 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			before, err := job.jobs.Find(t.Context(), job.id)
			if err != nil {
				rt.Fatal(err)
			}
			// Mostly the current attempt, sometimes an older or newer one.
			number := max(0, before.Job.Attempt+rapid.SampledFrom([]int{0, 0, 0, 0, -1, 1}).Draw(rt, "attempt"))
			err = job.do(t, rapid.SampledFrom(steps).Draw(rt, "step"), number)
			after, _ := job.jobs.Find(t.Context(), job.id)
			if err == nil && after.Job.State.Terminal() {
				ends++
			}
			if before.Job.State.Terminal() && err == nil {
				rt.Fatalf("a settled job changed from %s to %s", before.Job.State, after.Job.State)
			}
		}
		job.check(t, ends)
	})
}

// The same with ends that race each other.
func TestRacingEndsSettleOnce(t *testing.T) {
	s, a := sharedStore(t)
	rapid.Check(t, func(rt *rapid.T) {
		job := newSettling(t, rt, s, a)
		for _, step := range []string{"assign", "start", "image 0", "image 1"} {
			if err := job.do(t, step, 1); err != nil {
				rt.Fatal(err)
			}
		}
		racing := rapid.SliceOfN(rapid.SampledFrom([]string{"done", "cancel", string(api.CodeUnsupported), string(api.CodeNodeLost)}), 2, 8).Draw(rt, "ends")
		var group sync.WaitGroup
		var mu sync.Mutex
		won := map[string]int{}
		for _, step := range racing {
			group.Go(func() {
				if job.do(t, step, 1) == nil {
					mu.Lock()
					defer mu.Unlock()
					won[step]++
				}
			})
		}
		group.Wait()
		job.check(t, won["done"]+won["cancel"]+won[string(api.CodeUnsupported)])
	})
}

// A write whose answer is lost, though it happened, is noticed by the next transition.
func TestMemoryCatchesUpWithTheStore(t *testing.T) {
	s, a := sharedStore(t)
	j := openJobs(t, s, a)
	job, err := j.Submit(t.Context(), Submission{Spec: api.ImageSpec{Model: "shapes", N: 1}})
	if err != nil {
		t.Fatal(err)
	}
	feed := j.events.watch(job.ID)
	defer feed.Stop()
	r, revision, err := j.records.Get(t.Context(), job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Cancel(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.records.Replace(t.Context(), job.ID, r, revision); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Change(t.Context(), job.ID, func(r *Record) error { return r.Assign("n", "test", nil) }); !errors.Is(err, ErrStale) {
		t.Errorf("assign: %v", err)
	}
	if seen := feed.Take(); len(seen) != 1 || seen[0].Job.State != api.StateCanceled {
		t.Errorf("watchers saw %+v", seen)
	}
	if len(j.Queued(time.Now())) != 0 {
		t.Error("the settled job still waits")
	}
	if queued, err := j.queue.Has(t.Context(), job.ID); queued || err != nil {
		t.Errorf("queue entry: %v, %v", queued, err)
	}
}
