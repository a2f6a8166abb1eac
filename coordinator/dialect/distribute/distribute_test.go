package distribute

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/dialecttest"
)

// sample is the request of the vendor's page.
const sample = `{
  "model": "Flux.1 [dev]",
  "prompt": "text",
  "seed": 927719,
  "style": "text",
  "guidance_scale": 5,
  "num_inference_steps": 10,
  "n": 1,
  "response_format": "url",
  "size": "768x768"
}`

func decoded(t *testing.T, body, kind string) (dialect.Request, bool, error) {
	t.Helper()
	o, err := dialect.ParseObject([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return decode(o, kind)
}

func TestSample(t *testing.T) {
	for _, kind := range []string{create, generations} {
		got, base64, err := decoded(t, sample, kind)
		if err != nil || base64 {
			t.Fatalf("base64 is %t, %v", base64, err)
		}
		want := dialect.Request{Dialect: "distribute", Model: "Flux.1 [dev]", Sizing: dialect.NearestSize, Job: api.JobRequest{
			Prompt: "text, text", Width: new(768), Height: new(768), Steps: new(10), GuidanceScale: new(5.0),
			Seed: new(int64(927719)), N: new(1),
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}

func TestDecode(t *testing.T) {
	for name, c := range map[string]struct {
		kind, body string
		check      func(dialect.Request, bool) bool
		fault      string
	}{
		"the default size": {create, `{"model":"m","prompt":"p"}`, func(r dialect.Request, _ bool) bool {
			return *r.Job.Width == 768 && *r.Job.Height == 768 && r.Sizing == dialect.ModelSize
		}, ""},
		"what is absent stays so": {create, `{"model":"m","prompt":"p"}`, func(r dialect.Request, _ bool) bool { return r.Job.Steps == nil && r.Job.N == nil && r.Job.Seed == nil }, ""},
		"nulls":                   {create, `{"model":"m","prompt":"p","n":null,"size":null,"seed":null}`, func(r dialect.Request, _ bool) bool { return r.Job.N == nil }, ""},
		"unknown fields":          {create, `{"model":"m","prompt":"p","user":"x","quality":"hd"}`, func(r dialect.Request, _ bool) bool { return r.Job.Prompt == "p" }, ""},
		"a side of 999 and of 1024": {create, `{"model":"m","prompt":"p","size":"999x1024"}`, func(r dialect.Request, _ bool) bool {
			return *r.Job.Width == 999 && *r.Job.Height == 1024 && r.Sizing == dialect.NearestSize
		}, ""},
		"a side of 1":                 {create, `{"model":"m","prompt":"p","size":"1x1"}`, func(r dialect.Request, _ bool) bool { return *r.Job.Width == 1 }, ""},
		"a side of 1000":              {create, `{"model":"m","prompt":"p","size":"1000x512"}`, nil, `size: got "1000x512", want WIDTHxHEIGHT, each 1 to 999 or 1024`},
		"a side of 0":                 {create, `{"model":"m","prompt":"p","size":"0x512"}`, nil, "size: got"},
		"OpenAI's styles":             {create, `{"model":"m","prompt":"p","style":"vivid"}`, func(r dialect.Request, _ bool) bool { return r.Job.Prompt == "p" }, ""},
		"a style":                     {create, `{"model":"m","prompt":"p","style":" watercolor "}`, func(r dialect.Request, _ bool) bool { return r.Job.Prompt == "p, watercolor" }, ""},
		"a thousand characters":       {create, `{"model":"m","prompt":"` + strings.Repeat("€", 1000) + `"}`, func(r dialect.Request, _ bool) bool { return true }, ""},
		"a thousand and one":          {create, `{"model":"m","prompt":"` + strings.Repeat("a", 1001) + `"}`, nil, "prompt: got 1001 characters, want at most 1000 characters"},
		"guidance of half":            {create, `{"model":"m","prompt":"p","guidance_scale":2.5}`, nil, "guidance_scale: got 2.5, want a whole number from 1 to 10"},
		"guidance 11":                 {create, `{"model":"m","prompt":"p","guidance_scale":11}`, nil, "guidance_scale: got 11"},
		"51 steps":                    {create, `{"model":"m","prompt":"p","num_inference_steps":51}`, nil, "num_inference_steps: got 51, want a whole number from 1 to 50"},
		"base64 of a job":             {create, `{"model":"m","prompt":"p","response_format":"b64_json"}`, nil, `response_format: got "b64_json", want one of url`},
		"base64 at once":              {generations, `{"model":"m","prompt":"p","response_format":"b64_json"}`, func(_ dialect.Request, base64 bool) bool { return base64 }, ""},
		"the last seed":               {create, `{"model":"m","prompt":"p","seed":4294967295}`, func(r dialect.Request, _ bool) bool { return *r.Job.Seed == 4294967295 }, ""},
		"the last seed of two":        {create, `{"model":"m","prompt":"p","seed":4294967295,"n":2}`, nil, "seed: got 4294967295, want a whole number from 0 to 4294967294"},
		"a number in a string":        {create, `{"model":"m","prompt":"p","n":"2"}`, nil, `n: got "2", want a whole number from 1 to 10`},
		"nothing":                     {create, `{}`, nil, "model: want the name of a model; prompt: want a text that is not empty"},
		"every fault":                 {create, `{"model":1,"prompt":" ","n":0,"size":"big"}`, nil, "size: got"},
		"the fault of a model's type": {create, `{"model":["m"],"prompt":"p"}`, nil, "model: got an array, want a string"},
	} {
		t.Run(name, func(t *testing.T) {
			got, base64, err := decoded(t, c.body, c.kind)
			if c.fault == "" && (err != nil || !c.check(got, base64)) {
				t.Errorf("got %+v, %v", got, err)
			}
			if c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("got %v, want %s", err, c.fault)
			}
		})
	}
}

func TestIDs(t *testing.T) {
	for range 1000 {
		if id := newUUID(); !uuidPattern.MatchString(id) {
			t.Fatal(id)
		}
	}
	for id, ok := range map[string]bool{
		"3F2504E0-4F89-41D3-9A0C-0305E82C3301": true,
		"3f2504e0-4f89-11d3-9a0c-0305e82c3301": false, // version 1
		"3f2504e0-4f89-41d3-7a0c-0305e82c3301": false, // another variant
		"text":                                 false,
		"":                                     false,
	} {
		o, _ := dialect.ParseObject(fmt.Appendf(nil, `{"id":%q}`, id))
		got, err := decodeID(o)
		if (err == nil) != ok || ok && got != strings.ToLower(id) {
			t.Errorf("%q: got %q, %v", id, got, err)
		}
	}
}

func TestStates(t *testing.T) {
	for name, c := range map[string]struct {
		job  api.Job
		want state
	}{
		"queued":        {api.Job{State: api.StateQueued}, "QUEUED"},
		"queued again":  {api.Job{State: api.StateQueued, Attempt: 1}, "POSTPONED"},
		"assigned":      {api.Job{State: api.StateAssigned, Attempt: 1}, "ASSIGNED_CONNECTIONS"},
		"running":       {api.Job{State: api.StateRunning, Attempt: 1}, "PROCESSING"},
		"succeeded":     {api.Job{State: api.StateSucceeded}, "COMPLETED"},
		"failed":        {api.Job{State: api.StateFailed}, "ERROR"},
		"canceled":      {api.Job{State: api.StateCanceled}, "ERROR"},
		"an unknown of": {api.Job{State: "later"}, "ERROR"},
	} {
		if got := stateOf(c.job); got != c.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestTimesHaveMilliseconds(t *testing.T) {
	at := time.Date(2025, 10, 11, 9, 30, 45, 450e6, time.FixedZone("", 7200))
	text, err := json.Marshal(report{Created: instant(at), Results: []shown{}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"id":"","status":"","created":"2025-10-11T07:30:45.450Z","model":"","results":[]}`; string(text) != want {
		t.Errorf("got %s", text)
	}
}

func TestErrorsHaveOneProperty(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
		retry  string
	}{
		"faults":      {api.Invalid([]api.Fault{{Field: "steps", Value: "0", Limit: "1 to 500"}}), 400, `{"message":"num_inference_steps: got 0, want 1 to 500"}`, ""},
		"no key":      {api.Errorf(api.CodeUnauthorized, "no key"), 401, `{"message":"no key"}`, ""},
		"no quota":    {&api.Error{Code: api.CodeQuotaExceeded, Message: "used up", RetryAfter: 60}, 402, `{"message":"used up"}`, "60"},
		"too fast":    {&api.Error{Code: api.CodeRateLimited, Message: "slow down", RetryAfter: 7}, 429, `{"message":"slow down"}`, "7"},
		"unavailable": {api.Errorf(api.CodeUnavailable, "stopping"), 503, `{"message":"stopping"}`, "5"},
		"the node's":  {api.Errorf(api.CodeOutOfMemory, "too big"), 500, `{"message":"too big"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			vendor{}.Fail(w, httptest.NewRequest("POST", "/async/images/create", nil), c.err)
			if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.body || w.Header().Get("Retry-After") != c.retry {
				t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
			}
		})
	}
}

func TestTableAgreesWithDecoders(t *testing.T) {
	for kind, route := range map[string]dialect.Route{create: createRoute, generations: generateRoute} {
		o, _ := dialect.ParseObject([]byte(`{}`))
		_, _, _ = decode(o, kind) // what it reads, not what it finds
		dialecttest.Fields(t, vendor{}, kind, route, o.Read())
	}
	o, _ := dialect.ParseObject([]byte(`{}`))
	_, _ = decodeID(o)
	dialecttest.Fields(t, vendor{}, result, resultRoute, o.Read())
	dialecttest.Routes(t, vendor{})
}

var likely = map[string][]string{
	"model": {`"Flux.1 [dev]"`, `"m"`}, "prompt": {`"a red circle"`, `"(a:1.3) [b]"`, `"` + strings.Repeat("€", 1000) + `"`},
	"seed": {`0`, `927719`, `4294967295`}, "style": {`"vivid"`, `"oil"`, `"` + strings.Repeat("€", 1000) + `"`},
	"guidance_scale": {`1`, `5`, `10`}, "num_inference_steps": {`1`, `10`, `50`}, "n": {`1`, `4`, `10`},
	"response_format": {`"url"`, `"b64_json"`}, "size": {`"768x768"`, `"999x1"`, `"1024x1024"`},
}

func TestAcceptedRequestsCanBeMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkBody(t, dialecttest.Body(t, likely))
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}`))
	f.Fuzz(func(t *testing.T, body []byte) { checkBody(t, body) })
}

var contract = dialecttest.NewContract(vendor{})

// checkBody decodes a body as every request there is.
func checkBody(t rapid.TB, body []byte) {
	for kind, route := range map[string]dialect.Route{create: createRoute, generations: generateRoute} {
		o, err := dialect.ParseObject(body)
		if err != nil {
			contract.Refusal(t, route, err)
			continue
		}
		got, _, err := decode(o, kind)
		if err != nil {
			contract.Refusal(t, route, err)
			continue
		}
		dialecttest.Valid(t, got.Job)
	}
	if o, err := dialect.ParseObject(body); err == nil {
		if _, err = decodeID(o); err != nil {
			contract.Refusal(t, resultRoute, err)
		}
	}
}
