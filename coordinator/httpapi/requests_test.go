package coordinator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	const jobs = "/easel/v1/jobs"
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code               api.Code
		says               []string // in the message
	}{
		"no body":             {"POST", jobs, "", 400, api.CodeInvalidRequest, []string{"body", "JSON object"}},
		"null":                {"POST", jobs, "null", 400, api.CodeInvalidRequest, []string{"body", "null"}},
		"not JSON":            {"POST", jobs, "prompt=a", 400, api.CodeInvalidRequest, []string{"malformed JSON at byte 1"}},
		"an array":            {"POST", jobs, "[]", 400, api.CodeInvalidRequest, []string{"body: got array, want an object"}},
		"cut short":           {"POST", jobs, `{"prompt":"a`, 400, api.CodeInvalidRequest, []string{"body", "whole JSON object"}},
		"trailing data":       {"POST", jobs, `{"prompt":"a"} {}`, 400, api.CodeInvalidRequest, []string{"nothing after the JSON object"}},
		"unknown field":       {"POST", jobs, `{"prompt":"a","stepz":3}`, 400, api.CodeInvalidRequest, []string{"stepz", "no such field"}},
		"wrong type":          {"POST", jobs, `{"prompt":"a","steps":"many"}`, 400, api.CodeInvalidRequest, []string{"steps: got string, want a whole number"}},
		"fraction":            {"POST", jobs, `{"prompt":"a","steps":1.5}`, 400, api.CodeInvalidRequest, []string{"steps: got number 1.5, want a whole number"}},
		"guidance NaN":        {"POST", jobs, `{"prompt":"a","guidance_scale":NaN}`, 400, api.CodeInvalidRequest, []string{"malformed JSON"}},
		"guidance infinite":   {"POST", jobs, `{"prompt":"a","guidance_scale":1e999}`, 400, api.CodeInvalidRequest, []string{"guidance_scale: got number 1e999"}},
		"wrong type in LoRA":  {"POST", jobs, `{"prompt":"a","loras":[{"name":1}]}`, 400, api.CodeInvalidRequest, []string{"name: got number, want a string"}},
		"empty prompt":        {"POST", jobs, `{"prompt":" "}`, 400, api.CodeInvalidRequest, []string{"prompt: want a text that is not empty"}},
		"long prompt":         {"POST", jobs, `{"prompt":"` + strings.Repeat("x", 100_000) + `"}`, 400, api.CodeInvalidRequest, []string{"prompt: got 100000 bytes, want at most 8192 bytes"}},
		"body over the limit": {"POST", jobs, `{"prompt":"` + strings.Repeat("x", maxJobRequest) + `"}`, 413, api.CodeTooLarge, []string{"at most 56186200"}},
		"steps 0":             {"POST", jobs, `{"prompt":"a","steps":0}`, 400, api.CodeInvalidRequest, []string{"steps: got 0, want 1 to 500"}},
		"steps 10000":         {"POST", jobs, `{"prompt":"a","steps":10000}`, 400, api.CodeInvalidRequest, []string{"steps: got 10000, want 1 to 500"}},
		"every fault at once": {"POST", jobs, `{"prompt":"","steps":0,"n":11,"width":100,"scheduler":"X"}`, 400, api.CodeInvalidRequest, []string{"prompt:", "steps:", "n:", "width:", "scheduler:"}},
		"unknown scheduler":   {"POST", jobs, `{"prompt":"a","scheduler":"Magic"}`, 400, api.CodeInvalidRequest, []string{`scheduler: got "Magic", want one of DDIMScheduler, EulerDiscreteScheduler`}},
		"too many pixels":     {"POST", jobs, `{"prompt":"a","width":4096,"height":4096}`, 400, api.CodeInvalidRequest, []string{"at most 1048576 pixels"}},
		"unknown model":       {"POST", jobs, `{"prompt":"a","model":"sdxl"}`, 404, api.CodeModelNotFound, []string{`model: got "sdxl", want one of shapes`}},
		"unknown LoRA":        {"POST", jobs, `{"prompt":"a","loras":[{"name":"x","weight":1}]}`, 404, api.CodeLoRANotFound, []string{`loras[0].name: got "x", want one of outline`}},
		"LoRA as a path":      {"POST", jobs, `{"prompt":"a","loras":[{"name":"../x","weight":1}]}`, 400, api.CodeInvalidRequest, []string{"loras[0].name", "plain name"}},
		"no such job":         {"GET", jobs + "/nothing", "", 404, api.CodeNotFound, []string{"nothing"}},
		"cancel no such job":  {"DELETE", jobs + "/nothing", "", 404, api.CodeNotFound, []string{"nothing"}},
		"follow no such job":  {"GET", jobs + "/nothing/events", "", 404, api.CodeNotFound, []string{"nothing"}},
		"explain no such job": {"GET", jobs + "/nothing/explain", "", 404, api.CodeNotFound, []string{"nothing"}},
		"a wild job name":     {"GET", jobs + "/" + "%3E", "", 404, api.CodeNotFound, []string{">"}},
		"image of no job":     {"GET", jobs + "/nothing/images/0", "", 404, api.CodeNotFound, []string{"nothing"}},
		"list limit":          {"GET", jobs + "?limit=0&state=lost", "", 400, api.CodeInvalidRequest, []string{"limit:", "state:"}},
		"no such node":        {"GET", "/easel/v1/nodes/x", "", 404, api.CodeNotFound, []string{"x"}},
		"drain no such node":  {"POST", "/easel/v1/nodes/x/drain", "", 404, api.CodeNotFound, []string{"x"}},
		"revoke no such node": {"POST", "/easel/v1/nodes/x/revoke", "", 404, api.CodeNotFound, []string{"x"}},
		"unknown path":        {"GET", "/easel/v2/jobs", "", 404, api.CodeNotFound, []string{"/easel/v2/jobs"}},
		"unknown method":      {"PATCH", jobs, "", 405, api.CodeNotFound, []string{"PATCH", "POST"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.call(c.method, c.path, c.body)
			if a.status != c.status || a.code() != c.code || a.header.Get("Content-Type") != "application/json" {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			for _, text := range c.says {
				if !strings.Contains(message(t, a), text) {
					t.Errorf("%q is not in %q", text, message(t, a))
				}
			}
			if len(message(t, a)) > 1000 {
				t.Errorf("the message has %d bytes", len(a.body))
			}
		})
	}
	if list := decoded[struct{ Jobs []api.Job }](t, w.call("GET", jobs, "")).Jobs; len(list) != 0 {
		t.Errorf("bad requests left %d jobs", len(list))
	}
}

func message(t *testing.T, a answer) string {
	t.Helper()
	return decoded[struct{ Error api.Error }](t, a).Error.Message
}

func TestLongestPromptsFitIntoAFrame(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.conn.SetReadLimit(api.MaxFrame)
	for _, letter := range []string{"<", `"`, "\n", "\u2028"} {
		prompt := strings.Repeat(letter, api.MaxPromptBytes/len(letter)-1) + "a"
		body, err := json.Marshal(api.JobRequest{Prompt: prompt, NegativePrompt: prompt})
		if err != nil {
			t.Fatal(err)
		}
		w.submit(string(body))
		a := n.assigned()
		if a.Spec.Prompt != prompt || a.Spec.NegativePrompt != prompt {
			t.Errorf("prompts of %q did not arrive whole", letter)
		}
		n.done(a)
	}
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/easel/v1/jobs", "/easel/v1/jobs/x", "/easel/v1/jobs/x/events", "/easel/v1/nodes", "/easel/v1/models", "/easel/v1/jobs/x/images/0"} {
		for name, key := range map[string]string{"none": "", "wrong": "Bearer " + adminKeyPrefix + "x", "another scheme": "Basic " + w.key} {
			a := w.call("GET", path, "", "Authorization", key)
			if a.status != 401 || a.code() != api.CodeUnauthorized || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s with %s: %d %s", path, name, a.status, a.body)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := w.call("GET", path, "", "Authorization", ""); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestClientKeyIsNoAdmin(t *testing.T) {
	w := newWorld(t)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	s, err := openStorage(t.Context(), w.dir, discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.keys.create(t.Context(), hashHex([]byte("client key")), apiKey{Role: roleClient}); err != nil {
		t.Fatal(err)
	}
	s.close()
	w.start()
	w.key = "client key"
	w.submit(`{"prompt":"a red circle"}`)
	for _, path := range []string{"/easel/v1/tokens", "/easel/v1/nodes/x/drain", "/easel/v1/nodes/x/revoke"} {
		if a := w.call("POST", path, ""); a.status != 403 || a.code() != api.CodeForbidden {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestEveryAnsweredCodeHasAStatus(t *testing.T) {
	for _, code := range []api.Code{api.CodeInvalidRequest, api.CodeUnauthorized, api.CodeForbidden, api.CodeNotFound,
		api.CodeConflict, api.CodeTooLarge, api.CodeModelNotFound, api.CodeLoRANotFound, api.CodeUnsupported, api.CodeUnavailable, api.CodeInternal} {
		if statuses[code] == 0 {
			t.Errorf("no status for %s", code)
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	post := func(body, key string) answer {
		return w.call("POST", "/easel/v1/jobs", body, "Idempotency-Key", key)
	}
	first := post(`{"prompt":"a red circle"}`, "k")
	again := post(` { "prompt" : "a red circle" } `, "k")
	if first.status != 202 || again.status != 202 || decoded[api.Job](t, first).ID != decoded[api.Job](t, again).ID {
		t.Errorf("got %d %s and %d %s", first.status, first.body, again.status, again.body)
	}
	if decoded[api.Job](t, first).Spec.Seed != decoded[api.Job](t, again).Spec.Seed {
		t.Error("the seed was drawn twice")
	}
	if other := post(`{"prompt":"a blue star"}`, "k"); other.status != 422 || other.code() != api.CodeConflict {
		t.Errorf("another body: %d %s", other.status, other.body)
	}
	if other := post(`{"prompt":"a red circle"}`, "k2"); decoded[api.Job](t, other).ID == decoded[api.Job](t, first).ID {
		t.Error("another key gave the same job")
	}
	if long := post(`{"prompt":"a"}`, strings.Repeat("x", 256)); long.status != 400 || !strings.Contains(string(long.body), "Idempotency-Key") {
		t.Errorf("long key: %d %s", long.status, long.body)
	}
	w.call("DELETE", "/easel/v1/jobs/"+decoded[api.Job](t, first).ID, "")
	if settled := post(`{"prompt":"a red circle"}`, "k"); decoded[api.Job](t, settled).State != api.StateCanceled {
		t.Errorf("after the end: %s", settled.body)
	}
}

func TestConcurrentDuplicatesAreOneJob(t *testing.T) {
	w := newWorld(t)
	ids := make([]string, 16)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			a := w.call("POST", "/easel/v1/jobs", `{"prompt":"a red circle"}`, "Idempotency-Key", "same")
			ids[i] = decoded[api.Job](t, a).ID
		})
	}
	group.Wait()
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("ids: %v", ids)
	}
	if list := decoded[struct{ Jobs []api.Job }](t, w.call("GET", "/easel/v1/jobs", "")).Jobs; len(list) != 1 {
		t.Errorf("%d jobs", len(list))
	}
}

func TestListAndModels(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 5 {
		want = append(want, w.submit(fmt.Sprintf(`{"prompt":"number %d"}`, i)).ID)
	}
	slices.Reverse(want)
	w.call("DELETE", "/easel/v1/jobs/"+want[1], "")
	list := func(query string) (ids []string) {
		for _, j := range decoded[struct{ Jobs []api.Job }](t, w.call("GET", "/easel/v1/jobs"+query, "")).Jobs {
			ids = append(ids, j.ID)
		}
		return ids
	}
	if got := list(""); !sameSet(got, want) {
		t.Errorf("all: %v, want %v", got, want)
	}
	if got := list("?limit=2"); len(got) != 2 {
		t.Errorf("two: %v", got)
	}
	if got := list("?state=canceled"); !slices.Equal(got, want[1:2]) {
		t.Errorf("canceled: %v", got)
	}
	if got := list("?state=queued"); !sameSet(got, slices.Concat(want[:1], want[2:])) {
		t.Errorf("queued: %v", got)
	}
	models := decoded[struct{ Models []catalogEntry }](t, w.call("GET", "/easel/v1/models", "")).Models
	if len(models) != 1 || models[0].Name != "shapes" || models[0].Nodes != 0 || len(models[0].Schedulers) != 2 {
		t.Errorf("models: %+v", models)
	}
	w.node()
	models = decoded[struct{ Models []catalogEntry }](t, w.call("GET", "/easel/v1/models", "")).Models
	if models[0].Nodes != 1 {
		t.Errorf("models with a node: %+v", models)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func TestNoModelKnownYet(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Models = nil })
	a := w.call("POST", "/easel/v1/jobs", `{"prompt":"a"}`)
	if a.status != http.StatusNotFound || a.code() != api.CodeModelNotFound {
		t.Errorf("got %d %s", a.status, a.body)
	}
	w.node()
	w.submit(`{"prompt":"a"}`)
}
