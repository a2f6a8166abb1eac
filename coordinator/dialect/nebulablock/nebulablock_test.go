package nebulablock

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/jpeg"
	"image/png"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/dialecttest"
)

// The requests of the vendor's page.
const (
	textSample = `{
    "model": "stabilityai/stable-diffusion-xl-base-1.0",
    "prompt": "insert your prompt here",
    "num_steps": 25,
    "guidance_scale": 9,
    "width": 1024,
    "height": 1024,
    "negative_prompt": null
}`
	imageSample = `{
    "model":"black-forest-labs/FLUX.1-Fill-dev",
    "prompt": "a red baseball cap",
    "num_steps": 40,
    "guidance_scale": 4.5,
    "width": 1024,
    "height": 1024,
    "image": "/9j/4…/Z", 
    "mask": "/9j/4…ACgD/9k="
}`
)

func decoded(t *testing.T, body string) (dialect.Request, error) {
	t.Helper()
	o, err := dialect.ParseObject([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return decode(o)
}

func jpegFile(width, height int) []byte {
	var file bytes.Buffer
	if err := jpeg.Encode(&file, image.NewGray(image.Rect(0, 0, width, height)), nil); err != nil {
		panic(err)
	}
	return file.Bytes()
}

func pngFile(width, height int) []byte {
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		panic(err)
	}
	return file.Bytes()
}

func text(file []byte) string { return base64.StdEncoding.EncodeToString(file) }

func TestSamples(t *testing.T) {
	picture, mask := jpegFile(64, 48), jpegFile(64, 48)
	filled := strings.NewReplacer("/9j/4…/Z", text(picture), "/9j/4…ACgD/9k=", text(mask)).Replace(imageSample)
	for name, c := range map[string]struct {
		body string
		want dialect.Request
	}{
		"text to image": {textSample, dialect.Request{Dialect: "nebulablock", Model: "stabilityai/stable-diffusion-xl-base-1.0", Job: api.JobRequest{
			Prompt: "insert your prompt here", Width: new(1024), Height: new(1024), Steps: new(25), GuidanceScale: new(9.0),
		}}},
		"image to image": {filled, dialect.Request{Dialect: "nebulablock", Model: "black-forest-labs/FLUX.1-Fill-dev", Job: api.JobRequest{
			Prompt: "a red baseball cap", Width: new(1024), Height: new(1024), Steps: new(40), GuidanceScale: new(4.5),
			InitImage: picture, MaskImage: mask,
		}}},
		"the names before": {
			`{"model_name":"m","prompt":"p","input_image":"` + text(picture) + `","mask_image":"` + text(mask) + `"}`,
			dialect.Request{Dialect: "nebulablock", Model: "m", Job: api.JobRequest{Prompt: "p", InitImage: picture, MaskImage: mask}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decoded(t, c.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := decoded(t, imageSample); err == nil || !strings.Contains(err.Error(), "image: got something else, want a picture in base64; mask:") {
		t.Errorf("pictures with dots in them: got %v", err)
	}
}

func TestDecode(t *testing.T) {
	picture := text(pngFile(32, 16))
	for name, c := range map[string]struct {
		body  string
		check func(dialect.Request) bool
		fault string
	}{
		"the prompt alone":        {`{"prompt":"p"}`, func(r dialect.Request) bool { return r.Model == "" && r.Job.Width == nil && r.Job.Seed == nil }, ""},
		"a seed":                  {`{"prompt":"p","seed":7}`, func(r dialect.Request) bool { return *r.Job.Seed == 7 }, ""},
		"a random seed":           {`{"prompt":"p","seed":-1}`, func(r dialect.Request) bool { return r.Job.Seed == nil }, ""},
		"a negative seed":         {`{"prompt":"p","seed":-2}`, nil, "seed: got -2, want a whole number from -1 to 4294967295"},
		"sides are brought to 16": {`{"prompt":"p","width":1000,"height":1366}`, func(r dialect.Request) bool { return *r.Job.Width == 1008 && *r.Job.Height == 1360 }, ""},
		"the largest side":        {`{"prompt":"p","width":4096,"height":4090}`, func(r dialect.Request) bool { return *r.Job.Width == 4096 && *r.Job.Height == 4096 }, ""},
		"a side too small":        {`{"prompt":"p","width":63}`, nil, "width: got 63, want a whole number from 64 to 4096"},
		"a model by both names":   {`{"prompt":"p","model":"a","model_name":"b"}`, func(r dialect.Request) bool { return r.Model == "a" }, ""},
		"a data URI":              {`{"prompt":"p","image":"data:image/png;base64,` + picture + `"}`, func(r dialect.Request) bool { return len(r.Job.InitImage) > 0 }, ""},
		"empty pictures":          {`{"prompt":"p","image":"","mask":""}`, func(r dialect.Request) bool { return r.Job.InitImage == nil }, ""},
		"a mask alone":            {`{"prompt":"p","mask":"` + picture + `"}`, nil, "mask: want only with image"},
		"an old mask alone":       {`{"prompt":"p","mask_image":"` + picture + `"}`, nil, "mask_image: want only with image"},
		"a mask of another size": {
			`{"prompt":"p","image":"` + text(pngFile(16, 16)) + `","mask":"` + picture + `"}`, nil,
			"mask: got 32 x 16 pixels, want 16 x 16 pixels, the size of image",
		},
		"one step of a picture": {`{"prompt":"p","num_steps":1,"image":"` + picture + `"}`, nil, "num_steps: got 1, want at least 2 to change an image without mask"},
		"no steps":              {`{"prompt":"p","num_steps":0}`, nil, "num_steps: got 0, want a whole number from 1 to 500"},
		"much guidance":         {`{"prompt":"p","guidance_scale":50.5}`, nil, "guidance_scale: got 50.5, want a number from 0 to 50"},
		"no prompt":             {`{"model":"m"}`, nil, "prompt: want a text that is not empty"},
		"several faults":        {`{"prompt":"","num_steps":"4","seed":0.5}`, nil, `; num_steps: got "4", want a whole number from 1 to 500; seed: got 0.5`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decoded(t, c.body)
			if c.fault == "" && (err != nil || !c.check(got)) {
				t.Errorf("got %+v, %v", got, err)
			}
			if c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("got %v, want %s", err, c.fault)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"faults": {
			api.Invalid([]api.Fault{{Field: "steps", Value: "0", Limit: "1 to 500"}, {Field: "init_image", Limit: "a picture"}}), 400,
			`{"data":null,"message":"num_steps: got 0, want 1 to 500; image: want a picture","status":"failed"}`,
		},
		"no key":      {api.Errorf(api.CodeUnauthorized, "no key"), 401, `{"data":null,"message":"no key","status":"failed"}`},
		"no model":    {api.Errorf(api.CodeModelNotFound, "model: got x"), 404, `{"data":null,"message":"model: got x","status":"failed"}`},
		"too fast":    {&api.Error{Code: api.CodeRateLimited, Message: "slow down", RetryAfter: 7}, 429, `{"data":null,"message":"slow down","status":"failed"}`},
		"the node's":  {api.Errorf(api.CodeOutOfMemory, "too big"), 500, `{"data":null,"message":"too big","status":"failed"}`},
		"unavailable": {api.Errorf(api.CodeUnavailable, "stopping"), 503, `{"data":null,"message":"stopping","status":"failed"}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			vendor{}.Fail(w, httptest.NewRequest("POST", generateRoute.Path, nil), c.err)
			if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.body {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestTimeOfAnImage(t *testing.T) {
	job := api.Job{Images: make([]api.Image, 2), Receipt: &api.Receipt{Timings: api.Timings{Total: 3}}}
	if got := perImage(job); got != 1.5 {
		t.Errorf("got %g", got)
	}
	if got := perImage(api.Job{}); got != 0 {
		t.Errorf("without a receipt: got %g", got)
	}
}

func TestTableAgreesWithDecoder(t *testing.T) {
	o, _ := dialect.ParseObject([]byte(`{}`))
	_, _ = decode(o) // what it reads, not what it finds
	dialecttest.Fields(t, vendor{}, generation, generateRoute, o.Read())
	dialecttest.Fields(t, vendor{}, generation, slipRoute, o.Read())
	dialecttest.Routes(t, vendor{})
}

var likely = map[string][]string{
	"model": {`"m"`, `"black-forest-labs/FLUX.1-schnell"`}, "model_name": {`"m"`}, "prompt": {`"a red circle"`, `"` + strings.Repeat("€", 2700) + `"`},
	"negative_prompt": {`"blurry"`, `null`}, "width": {`64`, `1000`, `1024`, `4096`}, "height": {`64`, `1366`, `4096`},
	"num_steps": {`1`, `4`, `25`, `500`}, "guidance_scale": {`0`, `3.5`, `50`}, "seed": {`-1`, `0`, `4294967295`}, "n": {`1`, `10`},
	"image":       {`"` + text(pngFile(16, 16)) + `"`, `"` + text(pngFile(32, 16)) + `"`},
	"input_image": {`"data:image/jpeg;base64,` + text(jpegFile(16, 16)) + `"`},
	"mask":        {`"` + text(pngFile(16, 16)) + `"`}, "mask_image": {`"` + text(pngFile(16, 16)) + `"`},
}

func TestAcceptedRequestsCanBeMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkBody(t, dialecttest.Body(t, likely))
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(textSample))
	f.Add([]byte(imageSample))
	f.Add([]byte(`{"prompt":"p","image":"` + text(pngFile(8, 8)) + `","mask":"` + text(pngFile(8, 8)) + `"}`))
	f.Fuzz(func(t *testing.T, body []byte) { checkBody(t, body) })
}

var contract = dialecttest.NewContract(vendor{})

func checkBody(t rapid.TB, body []byte) {
	o, err := dialect.ParseObject(body)
	if err != nil {
		contract.Refusal(t, generateRoute, err)
		return
	}
	asked, err := decode(o)
	if err != nil {
		contract.Refusal(t, generateRoute, err)
		return
	}
	dialecttest.Valid(t, asked.Job)
}
