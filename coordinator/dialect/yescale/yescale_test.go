package yescale

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/dialecttest"
)

// sample is the request of the vendor's page.
const sample = `{
  "model": "flux-pro",
  "prompt": "a beautiful landscape with a river and mountains",
  "size": "1024x1024",
  "n": 1
}`

func parsed(t *testing.T, body string) *dialect.Object {
	t.Helper()
	o, err := dialect.ParseObject([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestSample(t *testing.T) {
	got, base64, err := decode(parsed(t, sample))
	if err != nil {
		t.Fatal(err)
	}
	want := dialect.Request{Dialect: "yescale", Model: "flux-pro", Sizing: dialect.NearestSize, Job: api.JobRequest{
		Prompt: "a beautiful landscape with a river and mountains", Width: new(1024), Height: new(1024), N: new(1),
	}}
	if diff := cmp.Diff(want, got); diff != "" || base64 {
		t.Errorf("base64 %v %s", base64, diff)
	}
}

func TestDecode(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		check func(r dialect.Request, base64 bool) bool
		fault string
	}{
		"the prompt alone":   {`{"prompt":"p"}`, func(r dialect.Request, _ bool) bool { return r.Model == "" && r.Job.Width == nil }, ""},
		"as clients send it": {`{"prompt":"p","quality":"standard","response_format":"url","user":"u"}`, func(_ dialect.Request, b bool) bool { return !b }, ""},
		"base64":             {`{"prompt":"p","response_format":"b64_json"}`, func(_ dialect.Request, b bool) bool { return b }, ""},
		"an odd size": {`{"prompt":"p","size":"1366x768"}`, func(r dialect.Request, _ bool) bool {
			return *r.Job.Width == 1366 && *r.Job.Height == 768
		}, ""},
		"a shape":            {`{"prompt":"p","aspect_ratio":"16:9"}`, func(r dialect.Request, _ bool) bool { return *r.Job.Width == 1024 && *r.Job.Height == 576 }, ""},
		"a size and a shape": {`{"prompt":"p","size":"512x768","aspect_ratio":"16:9"}`, func(r dialect.Request, _ bool) bool { return *r.Job.Width == 512 }, ""},
		"another size":       {`{"prompt":"p","size":"512x512"}`, nil, `size: got "512x512", want one of 1024x512, `},
		"another format":     {`{"prompt":"p","response_format":"png"}`, nil, `response_format: got "png", want one of url, b64_json`},
		"a long prompt":      {`{"prompt":"` + strings.Repeat("a", 1001) + `"}`, nil, "prompt: got 1001 characters, want at most 1000 characters"},
		"eleven":             {`{"prompt":"p","n":11}`, nil, "n: got 11, want a whole number from 1 to 10"},
		"an extreme shape":   {`{"prompt":"p","aspect_ratio":"4:1"}`, nil, `aspect_ratio: got "4:1", want WIDTH:HEIGHT from 1:3 to 3:1`},
		"every fault":        {`{"n":0,"size":1,"quality":[]}`, nil, "prompt: want a text that is not empty; n: got 0, want a whole number from 1 to 10; quality: got an array, want a string; size: got 1, want a string"},
	} {
		t.Run(name, func(t *testing.T) {
			got, base64, err := decode(parsed(t, c.body))
			if c.fault == "" && (err != nil || !c.check(got, base64)) {
				t.Errorf("got %+v, %v", got, err)
			}
			if c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("got %v, want %s", err, c.fault)
			}
		})
	}
}

func TestEveryListedSizeHasItsShape(t *testing.T) {
	for ratio, want := range map[string]string{
		"1:1": "1024x1024", "2:1": "1024x512", "1:2": "512x1024", "16:9": "1024x576", "9:16": "768x1366", "4:3": "1280x960",
		"3:4": "960x1280", "3:2": "768x512", "2:3": "512x768", "21:9": "1344x576", "4:5": "960x1280", "7:4": "1792x1024",
	} {
		if got, ok := nearest(ratio); !ok || got != want {
			t.Errorf("%s: got %s, want %s", ratio, got, want)
		}
	}
	for _, ratio := range []string{"", "16", "16:", ":9", "16/9", "0:1", "1:0", "-1:1", "1:4", "99999999999:1", "1.5:1", "1:1:1"} {
		if got, ok := nearest(ratio); ok {
			t.Errorf("%q: got %s", ratio, got)
		}
	}
}

func TestDecodeTask(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		want  task
		fault string
	}{
		"as one client sends it": {
			`{"model":"gpt-image","task_type":"generate","prompt":"p","config":{"size":"1024x1536","quality":"low","background":"opaque"}}`,
			task{Request: dialect.Request{Model: "gpt-image", Job: api.JobRequest{Prompt: "p", Width: new(1024), Height: new(1536)}}}, "",
		},
		"as another sends it": {
			`{"model":"gemini-2.5-flash-image[nano-banana]","prompt":"p","config":{"aspect_ratio":"1:1","images":["https://example.com/a.png"]}}`,
			task{Request: dialect.Request{Model: "gemini-2.5-flash-image[nano-banana]", Job: api.JobRequest{Prompt: "p", Width: new(1024), Height: new(1024)}}, image: "https://example.com/a.png"}, "",
		},
		"without config": {`{"prompt":"p"}`, task{Request: dialect.Request{Job: api.JobRequest{Prompt: "p"}}}, ""},
		"any size":       {`{"prompt":"p","config":{"size":"auto"}}`, task{Request: dialect.Request{Job: api.JobRequest{Prompt: "p"}}}, ""},
		"transparent":    {`{"prompt":"p","config":{"background":"transparent"}}`, task{Request: dialect.Request{Job: api.JobRequest{Prompt: "p", Background: "transparent"}}}, ""},
		"no images":      {`{"prompt":"p","config":{"images":[]}}`, task{Request: dialect.Request{Job: api.JobRequest{Prompt: "p"}}}, ""},
		"two images":     {`{"prompt":"p","config":{"images":["a","b"]}}`, task{}, "config.images: got several, want one: easel starts from a single picture"},
		"an empty image": {`{"prompt":"p","config":{"images":[""]}}`, task{}, "config.images[0]: want an address or a picture in base64"},
		"a video":        {`{"prompt":"p","task_type":"video"}`, task{}, `task_type: got "video", want one of generate`},
		"a video's size": {`{"prompt":"p","config":{"size":"720p"}}`, task{}, `config.size: got "720p", want auto, or WIDTHxHEIGHT, each at most 4096`},
		"a size beyond":  {`{"prompt":"p","config":{"size":"4097x64"}}`, task{}, `config.size: got "4097x64"`},
		"config is text": {`{"prompt":"p","config":"x"}`, task{}, `config: got "x", want an object`},
		"every fault":    {`{"config":{"background":1,"images":"x"}}`, task{}, `prompt: want a text that is not empty; config.background: got 1, want a string; config.images: got "x", want an array of strings`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeTask(parsed(t, c.body))
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("got %v, want %s", err, c.fault)
				}
				return
			}
			c.want.Dialect, c.want.Sizing = "yescale", dialect.NearestSize
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(task{})); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func TestPercent(t *testing.T) {
	two := api.ImageSpec{N: 2}
	for name, c := range map[string]struct {
		job  api.Job
		want string
	}{
		"waiting":       {api.Job{State: api.StateQueued, Spec: two}, "0%"},
		"the beginning": {api.Job{State: api.StateRunning, Spec: two, Progress: &api.Progress{Steps: 20}}, "0%"},
		"half":          {api.Job{State: api.StateRunning, Spec: two, Progress: &api.Progress{Image: 1, Step: 0, Steps: 20}}, "50%"},
		"almost":        {api.Job{State: api.StateRunning, Spec: two, Progress: &api.Progress{Image: 1, Step: 20, Steps: 20}}, "99%"},
		"done":          {api.Job{State: api.StateSucceeded, Spec: two}, "100%"},
		"failed":        {api.Job{State: api.StateFailed}, "100%"},
	} {
		if got := percent(c.job); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"faults": {
			api.Invalid([]api.Fault{{Field: "width", Value: "100", Limit: "a multiple of 8"}}), 400,
			`{"error":{"message":"size: got 100, want a multiple of 8 (request id: req_1)","type":"new_api_error","param":"","code":"invalid_request"}}`,
		},
		"no key":     {api.Errorf(api.CodeUnauthorized, "no key"), 401, `{"error":{"message":"no key (request id: req_1)","type":"new_api_error","param":"","code":""}}`},
		"no quota":   {api.Errorf(api.CodeQuotaExceeded, "used up"), 403, `{"error":{"message":"used up (request id: req_1)","type":"new_api_error","param":"","code":"insufficient_user_quota"}}`},
		"no model":   {api.Errorf(api.CodeModelNotFound, "none"), 404, `{"error":{"message":"none (request id: req_1)","type":"new_api_error","param":"","code":"model_not_found"}}`},
		"too fast":   {api.Errorf(api.CodeRateLimited, "slow"), 429, `{"error":{"message":"slow (request id: req_1)","type":"new_api_error","param":"","code":"rate_limit_exceeded"}}`},
		"the node's": {api.Errorf(api.CodeOutOfMemory, "big"), 500, `{"error":{"message":"big (request id: req_1)","type":"new_api_error","param":"","code":"out_of_memory"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set("X-Request-Id", "req_1")
			vendor{}.Fail(w, httptest.NewRequest("POST", "/yescale/task/submit", nil), c.err)
			if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.body || w.Header().Get("X-Oneapi-Request-Id") != "req_1" {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestTableAgreesWithDecoders(t *testing.T) {
	o := parsed(t, `{}`)
	_, _, _ = decode(o) // what it reads, not what it finds
	dialecttest.Fields(t, vendor{}, generations, generateRoute, o.Read())
	o = parsed(t, `{}`)
	_, _ = decodeTask(o)
	dialecttest.Fields(t, vendor{}, submission, submitRoute, o.Read())
	dialecttest.Routes(t, vendor{})
}

var likely = map[string][]string{
	"prompt": {`"a red circle"`, `"` + strings.Repeat("€", 1000) + `"`}, "model": {`"flux-pro"`}, "n": {`1`, `10`},
	"size": {`"1024x1024"`, `"1366x768"`}, "quality": {`"hd"`}, "response_format": {`"url"`, `"b64_json"`}, "aspect_ratio": {`"16:9"`, `"1:1"`, `"auto"`},
	"task_type": {`"generate"`}, "config": {
		`{"size":"1024x1536","quality":"low","background":"opaque"}`, `{"aspect_ratio":"9:16","images":["aGVsbG8="]}`,
		`{"size":"1x4096","background":"transparent"}`, `{"size":null,"images":null}`,
	},
}

func TestAcceptedRequestsCanBeMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkBody(t, dialecttest.Body(t, likely))
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"model":"gpt-image","task_type":"generate","prompt":"p","config":{"size":"auto","aspect_ratio":"3:2","images":["x"]}}`))
	f.Fuzz(func(t *testing.T, body []byte) { checkBody(t, body) })
}

var contract = dialecttest.NewContract(vendor{})

// checkBody decodes a body as every request there is.
func checkBody(t rapid.TB, body []byte) {
	o, err := dialect.ParseObject(body)
	if err != nil {
		contract.Refusal(t, generateRoute, err)
		contract.Refusal(t, submitRoute, err)
		return
	}
	if asked, _, err := decode(o); err != nil {
		contract.Refusal(t, generateRoute, err)
	} else {
		dialecttest.Valid(t, asked.Job)
	}
	o, _ = dialect.ParseObject(body) // it was read before
	if asked, err := decodeTask(o); err != nil {
		contract.Refusal(t, submitRoute, err)
	} else {
		dialecttest.Valid(t, asked.Job)
	}
}
