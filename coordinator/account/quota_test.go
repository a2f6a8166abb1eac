package account_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/coordtest"
)

func TestLimits(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains)
	post := func(key, body string) coordtest.Answer {
		return w.Call("POST", "/easel/v1/jobs", body, "Authorization", "Bearer "+key)
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
			key := w.NewKey(fmt.Sprintf(`{"name":%q,"limits":{%s}}`, c.name, c.limits))
			for i, body := range c.jobs {
				got := post(key, body)
				if i < len(c.jobs)-1 {
					if got.Status != 202 {
						t.Fatalf("job %d: %d %s", i, got.Status, got.Body)
					}
					continue
				}
				if got.Status != c.status || got.Code() != c.code || !strings.Contains(coordtest.Message(t, got), c.says) || got.Header.Get("Retry-After") == "" {
					t.Errorf("got %d %s %v", got.Status, got.Body, got.Header)
				}
			}
			if c.name == "requests" {
				return
			}
			got := w.Call("POST", "/v1/begin", `{"job":`+c.jobs[len(c.jobs)-1]+`}`, "Authorization", "Bearer "+key)
			if got.Status != c.status || got.Header.Get("Retry-After") == "" || !strings.HasPrefix(string(got.Body), "first says ") {
				t.Errorf("in a dialect: %d %s", got.Status, got.Body)
			}
		})
	}
}

func TestLimitsOfSettledJobs(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	key := w.NewKey(`{"name":"some","limits":{"images_per_day":2,"open_jobs":1}}`)
	post := func() coordtest.Answer {
		return w.Call("POST", "/easel/v1/jobs", `{"prompt":"a red circle"}`, "Authorization", "Bearer "+key)
	}
	for i := range 2 {
		if got := post(); got.Status != 202 {
			t.Fatalf("job %d: %d %s", i, got.Status, got.Body)
		}
		a := n.Assigned()
		n.Done(a)
		n.Settled(a.Attempt)
	}
	if got := post(); got.Status != 402 || got.Code() != api.CodeQuotaExceeded {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

func TestOneOfManyTakesTheLastPlace(t *testing.T) {
	w := coordtest.New(t)
	key := w.NewKey(`{"name":"some","limits":{"open_jobs":3}}`)
	var wait sync.WaitGroup
	statuses := make(chan int, 12)
	for range cap(statuses) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			got := <-w.Asking(t.Context(), key, "/easel/v1/jobs", `{"prompt":"a red circle"}`)
			statuses <- got.Status
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
	w := coordtest.New(t)
	key := w.NewKey(`{"name":"some","limits":{"open_jobs":1}}`)
	post := func(again string) coordtest.Answer {
		return w.Call("POST", "/easel/v1/jobs", `{"prompt":"a red circle"}`, "Authorization", "Bearer "+key, "Idempotency-Key", again)
	}
	first := coordtest.Decoded[api.Job](t, post("a"))
	if again := post("a"); again.Status != 202 || coordtest.Decoded[api.Job](t, again).ID != first.ID {
		t.Errorf("again: %d %s", again.Status, again.Body)
	}
	if other := post("b"); other.Status != 429 {
		t.Errorf("another: %d %s", other.Status, other.Body)
	}
	w.Call("DELETE", "/easel/v1/jobs/"+first.ID, "")
	if other := post("b"); other.Status != 202 {
		t.Errorf("another when there is room: %d %s", other.Status, other.Body)
	}
}
