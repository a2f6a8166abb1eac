package coordinator

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
)

func (w *world) usage(key, query string) []api.Usage {
	w.t.Helper()
	a := w.call("GET", "/easel/v1/usage"+query, "", "Authorization", "Bearer "+key)
	if a.status != 200 {
		w.t.Fatalf("usage: %d %s", a.status, a.body)
	}
	return decoded[struct{ Usage []api.Usage }](w.t, a).Usage
}

func TestUsage(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	alice := w.newKey(`{"name":"alice"}`)
	as := func(key, body string) string {
		return decoded[api.Job](t, w.call("POST", "/easel/v1/jobs", body, "Authorization", "Bearer "+key)).ID
	}
	as(alice, `{"prompt":"a red circle","n":2,"steps":10,"width":256,"height":128}`)
	made := n.assigned()
	n.done(made)
	n.settled(made.Attempt)
	as(alice, `{"prompt":"a red circle"}`)
	failed := n.assigned()
	n.fail(failed.Attempt, api.CodeUnsupported)
	n.settled(failed.Attempt)
	w.call("DELETE", "/easel/v1/jobs/"+as(alice, `{"prompt":"a red circle"}`), "")
	as(w.key, `{"prompt":"a red circle"}`)

	want := api.Usage{Key: "alice", Day: dayOf(time.Now()), Jobs: 3, Succeeded: 1, Failed: 1, Canceled: 1, Images: 2, MegapixelSteps: 10 * 256 * 128 * 2 / 1048576.0}
	for _, key := range []string{alice, w.key} {
		if got := w.usage(key, "?key=alice"); len(got) != 1 || got[0] != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if got := w.usage(w.key, ""); len(got) != 1 { // the admin's own job is not settled
		t.Errorf("of all keys: %+v", got)
	}
	if got := w.usage(alice, "?to=2020-01-01&from=2019-01-01"); len(got) != 0 {
		t.Errorf("long ago: %+v", got)
	}
	if got := w.call("GET", "/easel/v1/usage?key=admin", "", "Authorization", "Bearer "+alice); got.status != 403 {
		t.Errorf("somebody else's: %d %s", got.status, got.body)
	}
	if got := w.call("GET", "/easel/v1/usage?from=today&to=1", ""); got.status != 400 || !strings.Contains(message(t, got), "from:") || !strings.Contains(message(t, got), "to:") {
		t.Errorf("no days: %d %s", got.status, got.body)
	}
}

// Wherever the coordinator ends between settling a job and removing it from the queue, the job is
// counted once.
func TestJobsAreCountedOnceWhateverEnds(t *testing.T) {
	s, err := openStorage(t.Context(), t.TempDir(), discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	a, err := openArtifacts(t.Context(), filepath.Join(t.TempDir(), "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		owner := fmt.Sprintf("owner%d", round)
		begin := func() *jobs {
			j := newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
			j.settled = (&ledger{bucket: &s.ledger, queue: &s.queue}).count
			if err := j.load(t.Context()); err != nil {
				rt.Fatal(err)
			}
			return j
		}
		j, settled, open := begin(), 0, 0
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"job", "settle", "settle, end", "settle, count, end", "end"}).Draw(rt, "step") {
			case "job":
				if _, err := j.submit(t.Context(), submission{spec: api.ImageSpec{Model: "shapes", N: 1}, owner: owner}); err != nil {
					rt.Fatal(err)
				}
				open++
			case "settle":
				if id := anyOpen(j, owner); id != "" {
					cancelJob(t, rt, j, id)
					settled, open = settled+1, open-1
				}
			case "settle, end", "settle, count, end":
				id := anyOpen(j, owner)
				if id == "" {
					continue
				}
				before, revision, err := s.jobs.load(t.Context(), id)
				if err == nil {
					err = before.cancel()
				}
				if err == nil {
					before.Job.UpdatedAt = time.Now().UTC()
					_, err = s.jobs.update(t.Context(), id, before, revision)
				}
				if err == nil && rapid.Bool().Draw(rt, "counted") {
					err = j.settled(t.Context(), before)
				}
				if err != nil {
					rt.Fatal(err)
				}
				settled, open = settled+1, open-1
				j = begin()
			case "end":
				j = begin()
			}
		}
		for id := anyOpen(j, owner); id != ""; id = anyOpen(j, owner) {
			cancelJob(t, rt, j, id)
			settled, open = settled+1, open-1
		}
		list, err := (&ledger{bucket: &s.ledger, queue: &s.queue}).list(t.Context(), owner, "", "9")
		if err != nil {
			rt.Fatal(err)
		}
		counted := 0
		for _, u := range list {
			counted += u.Jobs
		}
		if counted != settled || open != 0 {
			rt.Fatalf("%d jobs counted, %d settled, %d open", counted, settled, open)
		}
	})
}

func anyOpen(j *jobs, owner string) string {
	for id, open := range j.open {
		if open.record.Owner == owner {
			return id
		}
	}
	return ""
}

func cancelJob(t *testing.T, rt *rapid.T, j *jobs, id string) {
	if _, err := j.change(t.Context(), id, func(r *record) error { return r.cancel() }); err != nil {
		rt.Fatal(err)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, withVendors)
	post := func(key, body string) answer {
		return w.call("POST", "/easel/v1/jobs", body, "Authorization", "Bearer "+key)
	}
	const one = `{"prompt":"a red circle"}`
	for _, c := range []struct {
		name, limits string
		jobs         []string // of which the last is too much
		code         api.Code
		status       int
		says         string
	}{
		{"requests", `"requests_per_minute":2`, []string{one, one, one}, api.CodeRateLimited, 429, "2 a minute"},
		{"open-jobs", `"open_jobs":2`, []string{one, one, one}, api.CodeRateLimited, 429, "2 that are not settled"},
		{"images", `"images_per_day":5`, []string{`{"prompt":"a","n":3}`, `{"prompt":"a","n":3}`}, api.CodeQuotaExceeded, 402, "5 images a day"},
		{"work", `"megapixel_steps_per_day":1`, []string{`{"prompt":"a","width":512,"height":512,"steps":5}`}, api.CodeQuotaExceeded, 402, "1 megapixel-steps a day"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := w.newKey(fmt.Sprintf(`{"name":%q,"limits":{%s}}`, c.name, c.limits))
			for i, body := range c.jobs {
				got := post(key, body)
				if i < len(c.jobs)-1 {
					if got.status != 202 {
						t.Fatalf("job %d: %d %s", i, got.status, got.body)
					}
					continue
				}
				if got.status != c.status || got.code() != c.code || !strings.Contains(message(t, got), c.says) || got.header.Get("Retry-After") == "" {
					t.Errorf("got %d %s %v", got.status, got.body, got.header)
				}
			}
			if c.name == "requests" {
				return
			}
			got := w.call("POST", "/v1/begin", `{"job":`+c.jobs[len(c.jobs)-1]+`}`, "Authorization", "Bearer "+key)
			if got.status != c.status || got.header.Get("Retry-After") == "" || !strings.HasPrefix(string(got.body), "first says ") {
				t.Errorf("in a dialect: %d %s", got.status, got.body)
			}
		})
	}
}

func TestLimitsOfSettledJobs(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	key := w.newKey(`{"name":"some","limits":{"images_per_day":2,"open_jobs":1}}`)
	post := func() answer {
		return w.call("POST", "/easel/v1/jobs", `{"prompt":"a red circle"}`, "Authorization", "Bearer "+key)
	}
	for i := range 2 {
		if got := post(); got.status != 202 {
			t.Fatalf("job %d: %d %s", i, got.status, got.body)
		}
		a := n.assigned()
		n.done(a)
		n.settled(a.Attempt)
	}
	if got := post(); got.status != 402 || got.code() != api.CodeQuotaExceeded {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestOneOfManyTakesTheLastPlace(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(`{"name":"some","limits":{"open_jobs":3}}`)
	var wait sync.WaitGroup
	statuses := make(chan int, 12)
	for range cap(statuses) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			got := <-w.asking(t.Context(), key, "/easel/v1/jobs", `{"prompt":"a red circle"}`)
			statuses <- got.status
		}()
	}
	wait.Wait()
	close(statuses)
	accepted := 0
	for s := range statuses {
		if s == 202 {
			accepted++
		} else if s != 429 {
			t.Errorf("status %d", s)
		}
	}
	if accepted != 3 {
		t.Errorf("%d jobs were accepted", accepted)
	}
}

// A request that comes again is the job it was, also when there is no room for another.
func TestRepeatedRequestIsNoSecondJob(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(`{"name":"some","limits":{"open_jobs":1}}`)
	post := func(again string) answer {
		return w.call("POST", "/easel/v1/jobs", `{"prompt":"a red circle"}`, "Authorization", "Bearer "+key, "Idempotency-Key", again)
	}
	first := decoded[api.Job](t, post("a"))
	if again := post("a"); again.status != 202 || decoded[api.Job](t, again).ID != first.ID {
		t.Errorf("again: %d %s", again.status, again.body)
	}
	if other := post("b"); other.status != 429 {
		t.Errorf("another: %d %s", other.status, other.body)
	}
	w.call("DELETE", "/easel/v1/jobs/"+first.ID, "")
	if other := post("b"); other.status != 202 {
		t.Errorf("another when there is room: %d %s", other.status, other.body)
	}
}
