package coordinator

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"pgregory.net/rapid"
)

// settling is one job over a real store, with what was seen of it.
type settling struct {
	t    *rapid.T
	jobs *jobs
	id   string
	feed *feed
}

// newSettling makes a fresh owner of jobs over the shared store with one job of two images.
func newSettling(t *testing.T, rt *rapid.T, s *storage, a *artifacts) *settling {
	j := newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
	job, err := j.submit(t.Context(), submission{spec: api.ImageSpec{Model: "shapes", N: 2, Width: 64, Height: 64}})
	if err != nil {
		rt.Fatal(err)
	}
	feed, stop := j.events.watch(job.ID)
	rt.Cleanup(stop)
	return &settling{t: rt, jobs: j, id: job.ID, feed: feed}
}

// do applies one end or step of an attempt by its node, whatever state the job is in.
func (s *settling) do(t *testing.T, what string, number int) error {
	node := fmt.Sprintf("node%d", number%2)
	at := api.Attempt{Job: s.id, Number: number}
	_, err := s.jobs.change(t.Context(), s.id, func(r *record) error {
		switch what {
		case "assign":
			return r.assign(fmt.Sprintf("node%d", (r.Job.Attempt+1)%2), "test", nil)
		case "start":
			return r.start(at, node)
		case "image 0", "image 1":
			return r.deliver(number, attemptImage(number, int(what[6]-'0')))
		case "done":
			return r.succeed(at, node, receiptOf(r, number, node))
		case "cancel":
			return r.cancel()
		}
		return r.lose(at, node, api.Error{Code: api.Code(what)}, false, time.Now())
	})
	return err
}

// attemptImage is an image whose digest names its attempt.
func attemptImage(number, index int) api.Image {
	return api.Image{Index: index, Seed: int64(index), SHA256: fmt.Sprintf("attempt %d image %d", number, index)}
}

func receiptOf(r *record, number int, node string) api.Receipt {
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
	r, _, _, err := s.jobs.find(t.Context(), s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	told, last := 0, uint64(0)
	for _, e := range s.feed.take() {
		if e.revision <= last && e.image == nil {
			s.t.Fatalf("events out of order: %d after %d", e.revision, last)
		}
		last = e.revision
		if e.job != nil && e.job.State.Terminal() {
			told++
		}
	}
	settled := r.Job.State.Terminal()
	if settled != (ends == 1) || settled != (told == 1) || ends > 1 || told > 1 {
		s.t.Fatalf("job is %s, %d transitions settled it, watchers were told %d times", r.Job.State, ends, told)
	}
	if _, _, err := s.jobs.storage.queue.load(t.Context(), s.id); settled != errors.Is(err, errMissing) {
		s.t.Fatalf("job is %s, queue entry: %v", r.Job.State, err)
	}
	for i, image := range r.Job.Images {
		if image.SHA256 != attemptImage(r.Job.Attempt, image.Index).SHA256 || i > 0 && image.Index <= r.Job.Images[i-1].Index {
			s.t.Fatalf("attempt %d has images %+v", r.Job.Attempt, r.Job.Images)
		}
	}
	if r.Job.State == api.StateSucceeded && (len(r.Job.Images) != 2 || r.Job.Receipt.Number != r.Job.Attempt) {
		s.t.Fatalf("succeeded as %+v", r.Job)
	}
	if r.Tries > maxTries || r.Tries+r.Free > r.Job.Attempt {
		s.t.Fatalf("%d tries and %d free ones in %d attempts", r.Tries, r.Free, r.Job.Attempt)
	}
}

func sharedStore(t *testing.T) (*storage, *artifacts) {
	t.Helper()
	s, err := openStorage(t.Context(), t.TempDir(), discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	a, err := openArtifacts(t.Context(), filepath.Join(t.TempDir(), "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.close() })
	return s, a
}

// However the ends of several attempts follow each other, the job settles at most once and keeps
// the images of the right attempt.
func TestJobSettlesOnce(t *testing.T) {
	s, a := sharedStore(t)
	rapid.Check(t, func(rt *rapid.T) {
		job := newSettling(t, rt, s, a)
		ends := 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			before, _, _, err := job.jobs.find(t.Context(), job.id)
			if err != nil {
				rt.Fatal(err)
			}
			// Mostly the current attempt, sometimes an older or newer one.
			number := max(0, before.Job.Attempt+rapid.SampledFrom([]int{0, 0, 0, 0, -1, 1}).Draw(rt, "attempt"))
			err = job.do(t, rapid.SampledFrom(steps).Draw(rt, "step"), number)
			after, _, _, _ := job.jobs.find(t.Context(), job.id)
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
	j := newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
	job, err := j.submit(t.Context(), submission{spec: api.ImageSpec{Model: "shapes", N: 1}})
	if err != nil {
		t.Fatal(err)
	}
	feed, stop := j.events.watch(job.ID)
	defer stop()
	r, revision, err := s.jobs.load(t.Context(), job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cancel(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.jobs.update(t.Context(), job.ID, r, revision); err != nil {
		t.Fatal(err)
	}
	if _, err := j.change(t.Context(), job.ID, func(r *record) error { return r.assign("n", "test", nil) }); !errors.Is(err, errStale) {
		t.Errorf("assign: %v", err)
	}
	if told := feed.take(); len(told) != 1 || told[0].job.State != api.StateCanceled {
		t.Errorf("told: %+v", told)
	}
	if len(j.waiting(time.Now())) != 0 {
		t.Error("the settled job still waits")
	}
	if _, _, err := s.queue.load(t.Context(), job.ID); !errors.Is(err, errMissing) {
		t.Errorf("queue entry: %v", err)
	}
}

func TestNodesCatchUpWithTheStore(t *testing.T) {
	s, _ := sharedStore(t)
	n, err := loadNodes(t.Context(), &s.nodes, func() {})
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{"created meanwhile", "updated meanwhile"} {
		_, revision, _ := n.record("catchup")
		ahead := nodeRecord{Revoked: true, Disconnect: reason} // written, and the answer was lost
		if revision == 0 {
			_, err = s.nodes.create(t.Context(), "catchup", ahead)
		} else {
			_, err = s.nodes.update(t.Context(), "catchup", ahead, revision)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := n.save(t.Context(), "catchup", func(r *nodeRecord) { r.Draining = true }); err != nil {
			t.Fatalf("save: %v", err)
		}
		if r, _, _ := n.record("catchup"); !r.Revoked || !r.Draining || r.Disconnect != reason {
			t.Errorf("record: %+v", r)
		}
	}
}

func TestArtifactsKeepTheirDirectory(t *testing.T) {
	_, a := sharedStore(t)
	body := picture(1)
	for _, job := range []string{"../out", "a/../../out"} {
		if _, err := a.put(t.Context(), api.Attempt{Job: job, Number: 1}, 0, hashHex(body), bytes.NewReader(body)); err == nil {
			t.Errorf("stored for job %q", job)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(a.blobs.(directory).root.Name()), "out")); err == nil {
		t.Error("written outside")
	}
}
