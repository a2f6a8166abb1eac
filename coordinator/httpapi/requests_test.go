package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/coordinator/httpapi"
)

func TestBadRequests(t *testing.T) {
	w := coordtest.New(t)
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
		"body over the limit": {"POST", jobs, `{"prompt":"` + strings.Repeat("x", httpapi.MaxJobRequest) + `"}`, 413, api.CodeTooLarge, []string{"at most 56186200"}},
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
			a := w.Call(c.method, c.path, c.body)
			if a.Status != c.status || a.Code() != c.code || a.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			for _, text := range c.says {
				if !strings.Contains(coordtest.Message(t, a), text) {
					t.Errorf("%q is not in %q", text, coordtest.Message(t, a))
				}
			}
			if len(coordtest.Message(t, a)) > 1000 {
				t.Errorf("the message has %d bytes", len(a.Body))
			}
		})
	}
	if list := coordtest.Decoded[struct{ Jobs []api.Job }](t, w.Call("GET", jobs, "")).Jobs; len(list) != 0 {
		t.Errorf("bad requests left %d jobs", len(list))
	}
}

func TestLongestPromptsFitIntoAFrame(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	n.Conn.SetReadLimit(api.MaxFrame)
	for _, letter := range []string{"<", `"`, "\n", "\u2028"} {
		prompt := strings.Repeat(letter, api.MaxPromptBytes/len(letter)-1) + "a"
		body, err := json.Marshal(api.JobRequest{Prompt: prompt, NegativePrompt: prompt})
		if err != nil {
			t.Fatal(err)
		}
		w.Submit(string(body))
		a := n.Assigned()
		if a.Spec.Prompt != prompt || a.Spec.NegativePrompt != prompt {
			t.Errorf("prompts of %q did not arrive whole", letter)
		}
		n.Done(a)
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := coordtest.New(t)
	post := func(body, key string) coordtest.Answer {
		return w.Call("POST", "/easel/v1/jobs", body, "Idempotency-Key", key)
	}
	first := post(`{"prompt":"a red circle"}`, "k")
	again := post(` { "prompt" : "a red circle" } `, "k")
	if first.Status != 202 || again.Status != 202 || coordtest.Decoded[api.Job](t, first).ID != coordtest.Decoded[api.Job](t, again).ID {
		t.Errorf("got %d %s and %d %s", first.Status, first.Body, again.Status, again.Body)
	}
	if coordtest.Decoded[api.Job](t, first).Spec.Seed != coordtest.Decoded[api.Job](t, again).Spec.Seed {
		t.Error("the seed was drawn twice")
	}
	if other := post(`{"prompt":"a blue star"}`, "k"); other.Status != 422 || other.Code() != api.CodeConflict {
		t.Errorf("another body: %d %s", other.Status, other.Body)
	}
	if other := post(`{"prompt":"a red circle"}`, "k2"); coordtest.Decoded[api.Job](t, other).ID == coordtest.Decoded[api.Job](t, first).ID {
		t.Error("another key gave the same job")
	}
	if long := post(`{"prompt":"a"}`, strings.Repeat("x", 256)); long.Status != 400 || !strings.Contains(string(long.Body), "Idempotency-Key") {
		t.Errorf("long key: %d %s", long.Status, long.Body)
	}
	w.Call("DELETE", "/easel/v1/jobs/"+coordtest.Decoded[api.Job](t, first).ID, "")
	if settled := post(`{"prompt":"a red circle"}`, "k"); coordtest.Decoded[api.Job](t, settled).State != api.StateCanceled {
		t.Errorf("after the end: %s", settled.Body)
	}
}

func TestConcurrentDuplicatesAreOneJob(t *testing.T) {
	w := coordtest.New(t)
	ids := make([]string, 16)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			a := w.Call("POST", "/easel/v1/jobs", `{"prompt":"a red circle"}`, "Idempotency-Key", "same")
			ids[i] = coordtest.Decoded[api.Job](t, a).ID
		})
	}
	group.Wait()
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("ids: %v", ids)
	}
	if list := coordtest.Decoded[struct{ Jobs []api.Job }](t, w.Call("GET", "/easel/v1/jobs", "")).Jobs; len(list) != 1 {
		t.Errorf("%d jobs", len(list))
	}
}

func TestListAndModels(t *testing.T) {
	w := coordtest.New(t)
	var want []string
	for i := range 5 {
		want = append(want, w.Submit(fmt.Sprintf(`{"prompt":"number %d"}`, i)).ID)
	}
	slices.Reverse(want)
	w.Call("DELETE", "/easel/v1/jobs/"+want[1], "")
	list := func(query string) (ids []string) {
		for _, j := range coordtest.Decoded[struct{ Jobs []api.Job }](t, w.Call("GET", "/easel/v1/jobs"+query, "")).Jobs {
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
	models := coordtest.Decoded[struct{ Models []api.Offer }](t, w.Call("GET", "/easel/v1/models", "")).Models
	if len(models) != 1 || models[0].Name != "shapes" || models[0].Nodes != 0 || len(models[0].Schedulers) != 2 {
		t.Errorf("models: %+v", models)
	}
	if models[0].Serves != "" || models[0].Owner != "" {
		t.Errorf("without a catalog's file the model shows what only one has: %+v", models[0])
	}
	w.Node()
	models = coordtest.Decoded[struct{ Models []api.Offer }](t, w.Call("GET", "/easel/v1/models", "")).Models
	if models[0].Nodes != 1 {
		t.Errorf("models with a node: %+v", models)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func TestNoModelKnownYet(t *testing.T) {
	w := coordtest.New(t, func(c *coordinator.Config) { c.Models = nil })
	a := w.Call("POST", "/easel/v1/jobs", `{"prompt":"a"}`)
	if a.Status != http.StatusNotFound || a.Code() != api.CodeModelNotFound {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	w.Node()
	w.Submit(`{"prompt":"a"}`)
}

// A default model that no node has yet is not another word for one that there is.
func TestDefaultModelThatIsNotThere(t *testing.T) {
	w := coordtest.New(t, func(c *coordinator.Config) { c.DefaultModel = "flux" })
	a := w.Call("POST", "/easel/v1/jobs", `{"prompt":"a"}`)
	if a.Status != http.StatusNotFound || a.Code() != api.CodeModelNotFound || coordtest.Message(t, a) != `model: got "flux", want one of shapes` {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	w.Submit(`{"prompt":"a","model":"shapes"}`)
}
