package grid_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/e2e/grid"
)

func TestMain(m *testing.M) { grid.Main(m) }

// repeats are the requests of every dialect that make a job. Conflict is what the vendor's form of
// status 409 begins with.
var repeats = map[string]struct{ path, body, other, conflict string }{
	"openai-generation": {
		"/v1/images/generations", `{"prompt":"a red circle","size":"64x64","quality":"low"}`, `{"prompt":"a red circle","size":"64x64","quality":"high"}`,
		`{"error":{"message":"Idempotency-Key: `,
	},
	"openai-odd-size": {
		"/v1/images/generations", `{"prompt":"a red circle","size":"65x64"}`, `{"prompt":"a red circle","size":"66x64"}`,
		`{"error":{"message":"Idempotency-Key: `,
	},
	"openai-no-size": {
		"/v1/images/generations", `{"prompt":"a red circle"}`, `{"prompt":"a blue circle"}`,
		`{"error":{"message":"Idempotency-Key: `,
	},
	"distribute-create": {
		"/async/images/create", `{"model":"Flux.1 [dev]","prompt":"a red circle"}`, `{"model":"Flux.1 [dev]","prompt":"a blue circle"}`,
		`{"message":"Idempotency-Key: `,
	},
	"distribute-generation": {
		"/distribute/v1/images/generations", `{"model":"Flux.1 [dev]","prompt":"a red circle","size":"65x64"}`, `{"model":"Flux.1 [dev]","prompt":"a red circle","size":"65x66"}`,
		`{"message":"Idempotency-Key: `,
	},
	"modelslab-text2img": {
		"/api/v6/images/text2img", `{"prompt":"a red circle","track_id":"1"}`, `{"prompt":"a blue circle","track_id":"1"}`,
		`{"status":"error","message":"Idempotency-Key: `,
	},
	"nebulablock-generation": {
		"/api/v1/images/generation", `{"prompt":"a red circle"}`, `{"prompt":"a blue circle"}`,
		`{"data":null,"message":"Idempotency-Key: `,
	},
	"deepfellow-generation": {
		"/deepfellow/v1/images/generations", `{"prompt":"a red circle"}`, `{"prompt":"a blue circle"}`,
		`{"detail":"Idempotency-Key: `,
	},
	"yescale-generation": {
		"/yescale/v1/images/generations", `{"model":"flux-pro","prompt":"a red circle"}`, `{"model":"flux-pro","prompt":"a blue circle"}`,
		`{"error":{"message":"Idempotency-Key: `,
	},
	"yescale-task": {
		"/yescale/task/submit", `{"model":"gpt-image","prompt":"a red circle"}`, `{"model":"gpt-image","prompt":"a blue circle"}`,
		`{"error":{"message":"Idempotency-Key: `,
	},
}

// Every dialect keeps the promise of docs/dialects.md: a request that comes again with its
// Idempotency-Key is answered with the job that it made the first time.
func TestIdempotencyKeys(t *testing.T) {
	g := grid.Demo(t)
	for name, c := range repeats {
		t.Run(name, func(t *testing.T) {
			key := g.Key(t, name, "")
			ask := func(body, again string) grid.Answer {
				return g.Call(t, http.MethodPost, c.path, "Bearer "+key, body, "Idempotency-Key", again)
			}
			for range 2 {
				if a := ask(c.body, "once"); a.Status != http.StatusOK {
					t.Fatalf("got %d %.300s", a.Status, a.Body)
				}
			}
			if n := jobsOf(t, g, key); n != 1 {
				t.Errorf("two requests with one key made %d jobs", n)
			}
			if a := ask(c.other, "once"); a.Status != http.StatusConflict || !bytes.HasPrefix(a.Body, []byte(c.conflict)) {
				t.Errorf("another body with the key: got %d %.300s", a.Status, a.Body)
			}
			if a := ask(c.body, "twice"); a.Status != http.StatusOK {
				t.Errorf("another key: got %d %.300s", a.Status, a.Body)
			}
			if n := jobsOf(t, g, key); n != 2 {
				t.Errorf("two keys made %d jobs", n)
			}
		})
	}
}

// jobsOf counts the jobs of an API key.
func jobsOf(t *testing.T, g *grid.Grid, key string) int {
	t.Helper()
	var list struct{ Jobs []api.Job }
	g.Call(t, http.MethodGet, "/easel/v1/jobs", "Bearer "+key, "").Decode(t, &list)
	return len(list.Jobs)
}
