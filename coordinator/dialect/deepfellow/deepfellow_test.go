package deepfellow

import (
	"context"
	"io"
	"net/http"
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

func object(t testing.TB, body string) *dialect.Object {
	t.Helper()
	o, err := dialect.ParseObject([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDecode(t *testing.T) {
	plain := func(edit func(*dialect.Request)) dialect.Request {
		r := dialect.Request{Dialect: "deepfellow", Sizing: dialect.NearestSize, Job: api.JobRequest{Prompt: "Black Swan", Width: new(512), Height: new(512), Format: api.FormatPNG}}
		edit(&r)
		return r
	}
	for name, c := range map[string]struct {
		body     string
		settings bool
		want     dialect.Request
	}{
		"the page's sample": {`{"model": "random","prompt": "Black Swan","size": "1024x1024"}`, false,
			plain(func(r *dialect.Request) { r.Model, r.Job.Width, r.Job.Height = "random", new(1024), new(1024) })},
		"every default": {`{"prompt":"Black Swan","model":"","background":"auto","moderation":"auto","n":1,"output_compression":95,"output_format":"png",
			"quality":"auto","response_format":"b64_json","size":"auto","style":"vivid","user":"","stream":false,"partial_images":null,"extra":[1]}`, false,
			plain(func(r *dialect.Request) { r.Job.N = new(1) })},
		"webp": {`{"prompt":"Black Swan","output_format":"webp","background":"transparent","quality":"high","n":4}`, false, plain(func(r *dialect.Request) {
			r.Job.Format, r.Job.Quality, r.Job.Background, r.Job.Steps, r.Job.N = api.FormatWebP, new(95), api.BackgroundTransparent, new(35), new(4)
		})},
		"jpeg of compression 0": {`{"prompt":"Black Swan","output_format":"jpeg","output_compression":0,"quality":"low"}`, false, plain(func(r *dialect.Request) {
			r.Job.Format, r.Job.Quality, r.Job.Steps = api.FormatJPEG, new(1), new(15)
		})},
		"settings are text": {`{"prompt":"<sd>{\"steps\":5}</sd>Black Swan"}`, false,
			plain(func(r *dialect.Request) { r.Job.Prompt = `<sd>{"steps":5}</sd>Black Swan` })},
		"settings of a key that may": {`{"prompt":"<sd>{\"steps\":5,\"negative_prompt\":\"red\",\"sampler_name\":\"DPM++ 2M Karras\",\"clip_skip\":2,\"cfg_scale\":7.5,\"width\":256,\"height\":128,\"n_iter\":2}</sd> Black Swan","quality":"high","n":1}`, true,
			plain(func(r *dialect.Request) {
				j := &r.Job
				j.Steps, j.NegativePrompt, j.ClipSkip, j.GuidanceScale, j.Width, j.Height, j.N = new(5), "red", new(1), new(7.5), new(256), new(128), new(2)
				j.Scheduler, j.SchedulerOptions.SigmaSchedule = "DPMSolverMultistepScheduler", "karras"
			})},
		"no settings of a key that may": {`{"prompt":"Black Swan"}`, true, plain(func(*dialect.Request) {})},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode(object(t, c.body), c.settings)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSamplers(t *testing.T) {
	for name, want := range map[string]struct {
		scheduler, sigmas, algorithm string
	}{
		"Euler":                {"EulerDiscreteScheduler", "", ""},
		"Euler a":              {"EulerAncestralDiscreteScheduler", "", ""},
		"LMS Karras":           {"LMSDiscreteScheduler", "karras", ""},
		"DPM2 a Karras":        {"KDPM2AncestralDiscreteScheduler", "karras", ""},
		"DPM++ 2M SDE Karras":  {"DPMSolverMultistepScheduler", "karras", "sde-dpmsolver++"},
		"DPM++ 3M SDE":         {"DPMSolverMultistepScheduler", "", "sde-dpmsolver++"},
		"DPM++ SDE Karras":     {"DPMSolverSinglestepScheduler", "karras", "sde-dpmsolver++"},
		"DPM++ 2M Exponential": {"DPMSolverMultistepScheduler", "exponential", ""},
		"PLMS":                 {"PNDMScheduler", "", ""},
		"PLMS Karras":          {}, "Euler a Karras": {}, "DPM adaptive": {}, "euler": {}, "": {},
	} {
		got, options, ok := scheduler(name)
		if ok != (want.scheduler != "") || ok && (got != want.scheduler || options.SigmaSchedule != want.sigmas || options.Algorithm != want.algorithm) {
			t.Errorf("%q: got %s %+v %t", name, got, options, ok)
		}
	}
	for name, s := range samplers {
		if faults := s.options.Faults(s.scheduler); len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// fail is the answer to an error, status and body.
func fail(t testing.TB, err error) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	New(nil).Fail(w, nil, err)
	return w.Code, w.Body.String()
}

// The faults of a request come all at once as FastAPI lists them.
func TestFaults(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                         `{"detail":[{"loc":["body","prompt"],"msg":"Field required","type":"missing"}]}`,
		`{"prompt":"p","n":5}`:       `{"detail":[{"loc":["body","n"],"msg":"Input should be a whole number from 1 to 4","type":"less_than_equal"}]}`,
		`{"prompt":"p","n":"1"}`:     `{"detail":[{"loc":["body","n"],"msg":"Input should be a whole number from 1 to 4","type":"int_type"}]}`,
		`{"prompt":1,"stream":"no"}`: `{"detail":[{"loc":["body","prompt"],"msg":"Input should be a string","type":"string_type"},{"loc":["body","stream"],"msg":"Input should be true or false","type":"bool_type"}]}`,
		`{"prompt":"p","output_compression":-1,"quality":"hd"}`: `{"detail":[{"loc":["body","quality"],"msg":"Input should be one of low, medium, high, auto","type":"literal_error"},` +
			`{"loc":["body","output_compression"],"msg":"Input should be a whole number from 0 to 100","type":"greater_than_equal"}]}`,
		`{"prompt":"p","size":"32x512"}`:                                   `{"detail":[{"loc":["body","size"],"msg":"Value error, size: got \"32x512\", want auto or WIDTHxHEIGHT, each from 64 to 2048","type":"value_error"}]}`,
		`{"prompt":"p","stream":true}`:                                     `{"detail":"Stream not supported"}`,
		`{"prompt":"p","partial_images":2,"stream":true}`:                  `{"detail":"Partial images not supported; Stream not supported"}`,
		`{"prompt":"p","response_format":"url"}`:                           `{"detail":"Response format url not supported"}`,
		`{"prompt":"p","background":"transparent","output_format":"jpeg"}`: `{"detail":[{"loc":["body","background"],"msg":"Input should be opaque with output_format jpeg, which knows no transparency","type":"literal_error"}]}`,
		`{"prompt":"p <sd>{]</sd>"}`:                                       `{"detail":[{"loc":["body","prompt"],"msg":"Value error, prompt: got settings that are no JSON object, want a JSON object between <sd> and </sd>","type":"value_error"}]}`,
		`{"prompt":"p <sd>{}"}`:                                            `{"detail":[{"loc":["body","prompt"],"msg":"Value error, prompt: got settings, want one pair of <sd> and </sd>","type":"value_error"}]}`,
		`{"prompt":"<sd>{}</sd>"}`:                                         `{"detail":[{"loc":["body","prompt"],"msg":"Field required","type":"missing"}]}`,
		`{"prompt":"p <sd>{\"steps\":51,\"hires\":1}</sd>"}`: `{"detail":[{"loc":["body","prompt"],"msg":"Value error, prompt: got <sd> steps 51, want a whole number from 1 to 50","type":"value_error"},` +
			`{"loc":["body","prompt"],"msg":"Value error, prompt: got <sd> hires , want nothing: there is no such field","type":"value_error"}]}`,
	} {
		_, err := decode(object(t, body), true)
		if err == nil {
			t.Errorf("%s is accepted", body)
			continue
		}
		if status, got := fail(t, err); status != http.StatusUnprocessableEntity || got != want {
			t.Errorf("%s: %d\n got %s\nwant %s", body, status, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	_, broken := dialect.ParseObject([]byte(`{"prompt":`))
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"malformed":     {broken, 422, `{"detail":[{"loc":["body"],"msg":"Input should be a JSON object","type":"json_invalid"}]}`},
		"specification": {api.Invalid([]api.Fault{{Field: "width", Value: "100", Limit: "a multiple of 8"}}), 422, `{"detail":[{"loc":["body","size"],"msg":"Value error, size: got 100, want a multiple of 8","type":"value_error"}]}`},
		"without fault": {api.Errorf(api.CodeInvalidRequest, "body: it did not arrive whole"), 422, `{"detail":[{"loc":["body"],"msg":"body: it did not arrive whole","type":"value_error"}]}`},
		"no key":        {api.Errorf(api.CodeUnauthorized, "no key"), 401, `{"detail":"Unauthorized"}`},
		"no model":      {api.Errorf(api.CodeModelNotFound, "model: got x"), 404, `{"detail":"Model not found"}`},
		"unsupported":   {api.Errorf(api.CodeUnsupported, "Given model is not supported"), 400, `{"detail":"Given model is not supported"}`},
		"too fast":      {&api.Error{Code: api.CodeRateLimited, Message: "slow down", RetryAfter: 3}, 429, `{"detail":"slow down"}`},
		"a node's":      {api.Errorf(api.CodeOutOfMemory, "too big"), 500, `{"detail":"too big"}`},
	} {
		if status, body := fail(t, c.err); status != c.status || body != c.body {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// studio is a service that makes every job at once.
type studio struct {
	dialect.Service
	asked dialect.Request
}

func (s *studio) Caller(_ context.Context, key string) (dialect.Caller, error) {
	if key != "dfproj_1" {
		return dialect.Caller{}, api.Errorf(api.CodeUnauthorized, "wrong key")
	}
	return dialect.Caller{Name: "tester"}, nil
}

func (s *studio) Submit(_ context.Context, _ dialect.Caller, r dialect.Request) (api.Job, error) {
	s.asked = r
	return api.Job{ID: "job"}, nil
}

func (s *studio) Wait(context.Context, string, func(dialect.Event) error) (api.Job, error) {
	return api.Job{ID: "job", State: api.StateSucceeded, CreatedAt: time.Unix(1713833628, 0), Spec: api.ImageSpec{Prompt: "Black Swan"},
		Images: []api.Image{{Index: 0, Width: 64, Height: 64, Bytes: 5}}}, nil
}

func (s *studio) Open(context.Context, string, int) (io.ReadCloser, api.Image, error) {
	return io.NopCloser(strings.NewReader("image")), api.Image{Bytes: 5}, nil
}

func (s *studio) Model(ctx context.Context, _, name string) (dialect.Model, error) {
	if name != "random" {
		return dialect.Model{}, api.Errorf(api.CodeModelNotFound, "model: got %s", name)
	}
	return s.Models(ctx, "")[0], nil
}

func (s *studio) Models(context.Context, string) []dialect.Model {
	return []dialect.Model{{Model: api.Model{Width: 512, Height: 512, Steps: 20}, ID: "random", Owner: "easel", Created: time.Unix(9, 0)}}
}

func TestRequests(t *testing.T) {
	const listed = `{"id":"random","object":"model","created":9,"owned_by":"easel"`
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"an image": {"POST", "/v1/images/generations", `{"prompt":"Black Swan"}`, 200,
			`{"created":1713833628,"data":[{"b64_json":"aW1hZ2U="}],"usage":{"input_tokens":3,"input_tokens_details":{"image_tokens":0,"text_tokens":3},"output_tokens":4,"total_tokens":7}}`},
		"models": {"GET", "/v1/models", "", 200, `{"object":"list","data":[` + listed + `}]}`},
		"models with props": {"GET", "/v1/models?additional_data=true", "", 200, `{"object":"list","data":[` + listed +
			`,"props":{"type":"txt2img","endpoints":["/v1/images/generations"],"description":"","size":"512x512","steps":20,"schedulers":[]}}]}`},
		"a bad query": {"GET", "/v1/models?additional_data=maybe", "", 422,
			`{"detail":[{"loc":["query","additional_data"],"msg":"Input should be true or false","type":"bool_parsing"}]}`},
		"a model":     {"GET", "/v1/models/random", "", 200, listed + `}`},
		"no model":    {"GET", "/v1/models/a/b", "", 404, `{"detail":"Model not found"}`},
		"not a model": {"GET", "/v1/models/", "", 404, `{"detail":"Not Found"}`},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			for _, route := range New(&studio{}).Routes() {
				mux.HandleFunc(route.Method+" "+route.Path, route.Handle)
			}
			for key, want := range map[string]int{"Bearer dfproj_1": c.status, "Bearer other": 401} {
				r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
				r.Header.Set("Authorization", key)
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, r)
				if w.Code != want || want == c.status && w.Body.String() != c.want {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
}

func TestTableAgreesWithDecoder(t *testing.T) {
	v := New(nil)
	o := object(t, `{}`)
	_, _ = decode(o, false) // what it reads, not what it finds
	dialecttest.Fields(t, v, "images/generations", v.Routes()[0], o.Read())
	dialecttest.Routes(t, v)
}

var likely = map[string][]string{
	"prompt": {`"a red circle"`, `"a <sd>{\"steps\":50,\"sampler_name\":\"Euler a\",\"clip_skip\":9,\"cfg_scale\":30}</sd> cat"`, `"<sd>{\"negative_prompt\":\"\\u0001\"}</sd>x"`, `"` + strings.Repeat("€", 2730) + `"`},
	"model":  {`""`, `"random"`}, "n": {`1`, `4`}, "size": {`"auto"`, `"64x2048"`, `"1024x1024"`}, "quality": {`"low"`, `"auto"`, `"high"`},
	"background": {`"auto"`, `"transparent"`}, "output_format": {`"png"`, `"webp"`, `"jpeg"`}, "output_compression": {`0`, `95`, `100`},
	"response_format": {`"b64_json"`}, "moderation": {`"low"`}, "style": {`"natural"`}, "user": {`"u"`}, "stream": {`false`}, "partial_images": {`0`},
}

func TestAcceptedRequestsCanBeMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { check(t, dialecttest.Body(t, likely)) })
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"model": "random","prompt": "Black Swan","size": "1024x1024"}`))
	f.Add([]byte(`{"prompt":"a <sd>{\"steps\":5,\"sampler_name\":\"DPM++ 2M Karras\"}</sd> cat","n":2,"output_format":"webp"}`))
	f.Fuzz(func(t *testing.T, body []byte) { check(t, body) })
}

var (
	contract    = dialecttest.NewContract(New(nil))
	generations = New(nil).Routes()[0]
)

func check(t rapid.TB, body []byte) {
	for _, settings := range []bool{false, true} {
		o, err := dialect.ParseObject(body)
		if err == nil {
			var r dialect.Request
			if r, err = decode(o, settings); err == nil {
				dialecttest.Valid(t, r.Job)
				continue
			}
		}
		dialecttest.Refusal(t, err)
		contract.Refusal(t, generations, err)
	}
}
