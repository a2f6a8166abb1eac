package account_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/job/jobtest"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/coordinator/store/storetest"
	"pgregory.net/rapid"
)

// Wherever the coordinator ends between settling a job and removing it from the queue, the job is
// counted once.
func TestJobsAreCountedOnceWhateverEnds(t *testing.T) {
	s, a := storetest.Open(t), artifacttest.Open(t, "")
	records, err := store.Open[job.Record](t.Context(), s, "jobs", 0)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := account.OpenLedger(t.Context(), s, jobtest.Queue(t, s))
	if err != nil {
		t.Fatal(err)
	}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		owner := fmt.Sprintf("owner%d", round)
		begin := func() *job.Jobs { return jobtest.Open(t, s, a, ledger) }
		j, settled, open := begin(), 0, 0
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"job", "settle", "settle, end", "settle, count, end", "end"}).Draw(rt, "step") {
			case "job":
				if _, err := j.Submit(t.Context(), job.Submission{Spec: api.ImageSpec{Model: "shapes", N: 1}, Owner: owner}); err != nil {
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
				ended, _, err := records.Update(t.Context(), id, func(r *job.Record, _ uint64) error {
					r.Job.UpdatedAt = time.Now().UTC()
					return r.Cancel()
				})
				if err == nil && rapid.Bool().Draw(rt, "counted") {
					err = ledger.JobSettled(t.Context(), ended)
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
		list, err := ledger.List(t.Context(), owner, "", "9")
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

// Many nodes may settle jobs of one owner at the same moment.
func TestJobsThatSettleAtOnceAreAllCounted(t *testing.T) {
	s := storetest.Open(t)
	ledger, err := account.OpenLedger(t.Context(), s, jobtest.Queue(t, s))
	if err != nil {
		t.Fatal(err)
	}
	const jobs = 200
	now := time.Now().UTC()
	var nodes sync.WaitGroup
	for i := range jobs {
		nodes.Go(func() {
			r := job.Record{Job: api.Job{ID: fmt.Sprint(i), State: api.StateCanceled, UpdatedAt: now}, Owner: "some"}
			if err := ledger.JobSettled(t.Context(), r); err != nil {
				t.Errorf("job %d: %v", i, err)
			}
		})
	}
	nodes.Wait()
	if used, err := ledger.Day(t.Context(), "some", account.DayOf(now)); err != nil || used.Jobs != jobs {
		t.Errorf("counted %d of %d: %v", used.Jobs, jobs, err)
	}
}

func anyOpen(j *job.Jobs, owner string) string {
	for _, id := range j.QueuedOf(owner) {
		return id
	}
	return ""
}

func cancelJob(t *testing.T, rt *rapid.T, j *job.Jobs, id string) {
	if _, err := j.Cancel(t.Context(), id); err != nil {
		rt.Fatal(err)
	}
}
