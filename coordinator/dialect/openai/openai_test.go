package openai

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/dialecttest"
)

// pngOf is a picture of a size whose right half is transparent where it has holes.
func pngOf(t testing.TB, width, height int, holes bool) []byte {
	t.Helper()
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p.SetNRGBA(x, y, color.NRGBA{200, 10, 10, 255})
			if holes && x >= width/2 {
				p.SetNRGBA(x, y, color.NRGBA{200, 10, 10, 0})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A part of a form is a text, or a file where the body is bytes.
type part struct {
	field string
	body  any
}

func formBody(t testing.TB, parts ...part) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		switch content := p.body.(type) {
		case string:
			if err := w.WriteField(p.field, content); err != nil {
				t.Fatal(err)
			}
		case []byte:
			to, err := w.CreateFormFile(p.field, "picture.png")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := to.Write(content); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

func form(t testing.TB, parts ...part) *dialect.Form {
	t.Helper()
	body, kind := formBody(t, parts...)
	r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	f, err := dialect.ReadForm(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func object(t testing.TB, body string) *dialect.Object {
	t.Helper()
	o, err := dialect.ParseObject([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestGeneration(t *testing.T) {
	job := func(edit func(*api.JobRequest)) dialect.Request {
		r := dialect.Request{Dialect: "openai", Job: api.JobRequest{Prompt: "a cat", Format: api.FormatPNG}}
		edit(&r.Job)
		return r
	}
	for name, c := range map[string]struct {
		body string
		want order
	}{
		"the least": {`{"prompt":"a cat"}`, order{job: job(func(*api.JobRequest) {}), format: "png"}},
		"nulls": {`{"prompt":"a cat","n":null,"size":null,"stream":null,"quality":null,"user":null,"svg":null}`,
			order{job: job(func(*api.JobRequest) {}), format: "png"}},
		"what only GPT image models know": {`{"prompt":"a cat","moderation":"low"}`,
			order{job: job(func(*api.JobRequest) {}), format: "png", inBase64: true}},
		"everything": {`{"prompt":"a cat","n":2,"size":"1536x1024","quality":"high","style":"natural","user":"u","background":"transparent",
			"moderation":"auto","output_format":"webp","output_compression":0,"stream":true,"partial_images":3,"response_format":"b64_json"}`,
			order{job: job(func(j *api.JobRequest) {
				j.N, j.Width, j.Height, j.Quality = new(2), new(1536), new(1024), new(1)
				j.Format, j.Background = api.FormatWebP, api.BackgroundTransparent
			}), format: "webp", inBase64: true, stream: true, partials: 3, quality: "high"}},
		"jpeg is of the best quality": {`{"prompt":"a cat","output_format":"jpeg","size":"auto","background":"auto"}`,
			order{job: job(func(j *api.JobRequest) { j.Format, j.Quality = api.FormatJPEG, new(100) }), format: "jpeg", inBase64: true}},
		"png of compression 100": {`{"prompt":"a cat","output_compression":100}`,
			order{job: job(func(*api.JobRequest) {}), format: "png", inBase64: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := generation(object(t, c.body))
			if err != nil {
				t.Fatal(err)
			}
			c.want.event = "image_generation"
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(order{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHowImagesAreReturned(t *testing.T) {
	for body, base64 := range map[string]bool{
		`{"prompt":"p"}`:                                                       false,
		`{"prompt":"p","model":"dall-e-2"}`:                                    false,
		`{"prompt":"p","model":"dall-e-3","quality":"hd"}`:                     false,
		`{"prompt":"p","model":"gpt-image-1"}`:                                 true,
		`{"prompt":"p","model":"shapes"}`:                                      true,
		`{"prompt":"p","background":"opaque"}`:                                 true,
		`{"prompt":"p","model":"dall-e-3","background":"opaque"}`:              false,
		`{"prompt":"p","model":"dall-e-3","response_format":"b64_json"}`:       true,
		`{"prompt":"p","model":"gpt-image-1","response_format":"url"}`:         false,
		`{"prompt":"p","background":null,"response_format":null,"model":null}`: false,
	} {
		got, err := generation(object(t, body))
		if err != nil || got.inBase64 != base64 {
			t.Errorf("%s: base64 %t, %v", body, got.inBase64, err)
		}
	}
}

// Every fault of a request is named at once, with OpenAI's parameter and code for the first.
func TestFaults(t *testing.T) {
	for body, want := range map[string]struct {
		param, code string
		others      []string
	}{
		`{}`:                                    {"prompt", "missing_required_parameter", nil},
		`{"prompt":" "}`:                        {"prompt", "missing_required_parameter", nil},
		`{"prompt":7}`:                          {"prompt", "invalid_type", nil},
		`{"prompt":"p","n":0}`:                  {"n", "integer_below_min_value", nil},
		`{"prompt":"p","n":11}`:                 {"n", "integer_above_max_value", nil},
		`{"prompt":"p","n":"2"}`:                {"n", "invalid_type", nil},
		`{"prompt":"p","size":"large"}`:         {"size", "invalid_value", nil},
		`{"prompt":"p","size":"9999x512"}`:      {"size", "invalid_value", nil},
		`{"prompt":"p","quality":"best"}`:       {"quality", "invalid_value", nil},
		`{"prompt":"p","output_format":"gif"}`:  {"output_format", "invalid_value", nil},
		`{"prompt":"p","frame_count":4}`:        {"frame_count", "invalid_value", nil},
		`{"prompt":"p","seed":4}`:               {"seed", "unknown_parameter", nil},
		`{"prompt":"p","input_fidelity":"low"}`: {"input_fidelity", "unknown_parameter", nil},
		`{"prompt":"p","output_compression":9}`: {"output_compression", "invalid_value", nil},
		`{"prompt":"p","background":"transparent","output_format":"jpeg"}`: {"background", "invalid_value", nil},
		`{"prompt":"p","stream":true,"response_format":"url"}`:             {"response_format", "invalid_value", nil},
		`{"prompt":"` + strings.Repeat("a", maxPrompt+1) + `"}`:            {"prompt", "string_above_max_length", nil},
		`{"n":0,"size":"x","partial_images":4,"stream":"yes","huh":1}`:     {"prompt", "missing_required_parameter", []string{"n: ", "size: ", "partial_images: ", "stream: ", "huh: "}},
	} {
		_, err := generation(object(t, body))
		if err == nil {
			t.Errorf("%s is accepted", body)
			continue
		}
		p, k, _ := problemOf(err)
		if k.status != 400 || p.Type != "invalid_request_error" || *p.Param != want.param || *p.Code != want.code {
			t.Errorf("%.80s: %d %s %s %s (%s)", body, k.status, p.Type, *p.Param, *p.Code, p.Message)
		}
		for _, other := range want.others {
			if !strings.Contains(p.Message, other) {
				t.Errorf("%s: no %q in %s", body, other, p.Message)
			}
		}
	}
}

func TestEdit(t *testing.T) {
	picture, mask := pngOf(t, 64, 32, false), pngOf(t, 64, 32, true)
	for name, parts := range map[string][]part{
		"image":             {{"image", picture}},
		"an array of one":   {{"image[]", picture}},
		"mask":              {{"image", picture}, {"mask", mask}},
		"fidelity":          {{"image", picture}, {"input_fidelity", "high"}},
		"fidelity and mask": {{"image", picture}, {"mask", mask}, {"input_fidelity", "high"}, {"n", "2"}, {"stream", "true"}, {"size", "128x128"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := edit(form(t, append(parts, part{"prompt", "a hat"}, part{"model", "gpt-image-1"})...))
			if err != nil {
				t.Fatal(err)
			}
			j := got.job.Job
			if !bytes.Equal(j.InitImage, picture) || j.Prompt != "a hat" || got.event != "image_edit" || !got.inBase64 {
				t.Errorf("got %+v", got)
			}
			if masked := strings.Contains(name, "mask"); masked != (j.MaskImage != nil) {
				t.Errorf("mask of %d bytes", len(j.MaskImage))
			}
			if name == "fidelity" != (j.Strength != nil) {
				t.Errorf("strength %v", j.Strength)
			}
			if name == "fidelity and mask" && (*j.N != 2 || !got.stream || *j.Width != 128) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestEditFaults(t *testing.T) {
	picture, mask := pngOf(t, 64, 32, false), pngOf(t, 64, 32, true)
	for name, c := range map[string]struct {
		parts []part
		param string
		code  string
	}{
		"no image":             {nil, "image", "missing_required_parameter"},
		"two images":           {[]part{{"image[]", picture}, {"image[]", picture}}, "image", "invalid_value"},
		"no picture":           {[]part{{"image", []byte("hello")}}, "image", "invalid_value"},
		"a text":               {[]part{{"image", "hello"}}, "image", "invalid_type"},
		"a mask without holes": {[]part{{"image", picture}, {"mask", picture}}, "mask", "invalid_value"},
		"a mask of other size": {[]part{{"image", pngOf(t, 32, 32, false)}, {"mask", mask}}, "mask", "invalid_value"},
		"a damaged mask":       {[]part{{"image", picture}, {"mask", mask[:len(mask)-20]}}, "mask", "invalid_value"},
		"two masks":            {[]part{{"image", picture}, {"mask", mask}, {"mask", mask}}, "mask", "invalid_value"},
		"markup":               {[]part{{"image", picture}, {"markup", mask}}, "markup", "invalid_value"},
		"another file":         {[]part{{"image", picture}, {"style", mask}}, "style", "unknown_parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := edit(form(t, append(c.parts, part{"prompt", "a hat"})...))
			if err == nil {
				t.Fatal("accepted")
			}
			if p, _, _ := problemOf(err); *p.Param != c.param || *p.Code != c.code {
				t.Errorf("%s %s: %s", *p.Param, *p.Code, p.Message)
			}
		})
	}
}

func TestMaskIsWhiteWhereNothingWas(t *testing.T) {
	in := image.NewNRGBA(image.Rect(0, 0, 3, 1))
	in.SetNRGBA(0, 0, color.NRGBA{9, 9, 9, 255})
	in.SetNRGBA(1, 0, color.NRGBA{9, 9, 9, 1})
	in.SetNRGBA(2, 0, color.NRGBA{255, 255, 255, 0})
	var file bytes.Buffer
	if err := png.Encode(&file, in); err != nil {
		t.Fatal(err)
	}
	mask, err := maskOfAlpha(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(mask))
	if err != nil {
		t.Fatal(err)
	}
	grey, ok := picture.(*image.Gray)
	if !ok || !bytes.Equal(grey.Pix[:3], []byte{0, 0, 255}) {
		t.Errorf("got %T %v", picture, picture)
	}
}

func TestVariation(t *testing.T) {
	picture := pngOf(t, 64, 64, false)
	got, err := variation(form(t, part{"image", picture}, part{"n", "3"}, part{"size", "256x256"}))
	if err != nil {
		t.Fatal(err)
	}
	if j := got.job.Job; got.inBase64 || *j.N != 3 || *j.Width != 256 || !bytes.Equal(j.InitImage, picture) || j.Prompt == "" {
		t.Errorf("got %+v", got)
	}
	got, err = variation(form(t, part{"image", picture}, part{"response_format", "b64_json"}))
	if err != nil || !got.inBase64 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err = variation(form(t, part{"image", picture}, part{"prompt", "a cat"})); err == nil {
		t.Error("a prompt is accepted")
	}
}

func TestErrorsAreOpenAIs(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
		header map[string]string
	}{
		"fault of the specification": {api.Invalid([]api.Fault{{Field: "width", Value: "100", Limit: "a multiple of 8"}, {Field: "steps", Limit: "fewer"}}), 400,
			`{"error":{"message":"size: got 100, want a multiple of 8; quality: want fewer","type":"invalid_request_error","param":"size","code":"invalid_value"}}`,
			map[string]string{"X-Should-Retry": "false"}},
		"no key": {api.Errorf(api.CodeUnauthorized, "no key"), 401,
			`{"error":{"message":"no key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
			map[string]string{"Www-Authenticate": `Bearer realm="easel"`}},
		"no model": {api.Errorf(api.CodeModelNotFound, "no such model"), 404,
			`{"error":{"message":"no such model","type":"invalid_request_error","param":"model","code":"model_not_found"}}`, nil},
		"too fast": {&api.Error{Code: api.CodeRateLimited, Message: "slow down", RetryAfter: 7}, 429,
			`{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}`,
			map[string]string{"Retry-After": "7", "X-Should-Retry": ""}},
		"used up": {&api.Error{Code: api.CodeQuotaExceeded, Message: "used up", RetryAfter: 3600}, 429,
			`{"error":{"message":"used up","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
			map[string]string{"Retry-After": "3600", "X-Should-Retry": "false"}},
		"stopping": {api.Errorf(api.CodeUnavailable, "stopping"), 503,
			`{"error":{"message":"stopping","type":"server_error","param":null,"code":"unavailable"}}`,
			map[string]string{"Retry-After": "5", "X-Should-Retry": ""}},
		"a node's": {api.Errorf(api.CodeOutOfMemory, "too big"), 500,
			`{"error":{"message":"too big","type":"server_error","param":null,"code":"out_of_memory"}}`,
			map[string]string{"X-Should-Retry": "false"}},
		"a conflict": {api.Errorf(api.CodeConflict, "another body"), 409,
			`{"error":{"message":"another body","type":"invalid_request_error","param":null,"code":"conflict"}}`,
			map[string]string{"X-Should-Retry": "false"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			New(nil).Fail(w, httptest.NewRequest("POST", pathEdits, nil), c.err)
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			for name, value := range c.header {
				if got := w.Header().Get(name); got != value {
					t.Errorf("%s is %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestUsage(t *testing.T) {
	job := api.Job{Spec: api.ImageSpec{Prompt: "a red cat", InitImage: &api.Input{Width: 64, Height: 33}}}
	got := usageOf(job, api.Image{Width: 1024, Height: 1024}, api.Image{Width: 128, Height: 128})
	want := usage{InputTokens: 3 + 4, InputTokensDetails: details{4, 3}, OutputTokens: 1040, OutputTokensDetails: details{1040, 0}, TotalTokens: 1047}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTableAgreesWithDecoders(t *testing.T) {
	v := New(nil)
	routes := v.Routes()
	o := object(t, `{}`)
	_, _ = generation(o) // what it reads, not what it finds
	dialecttest.Fields(t, v, "images/generations", routes[0], o.Read())
	f := form(t, part{"model", "x"})
	_, _ = edit(f)
	dialecttest.Fields(t, v, "images/edits", routes[1], f.Read())
	f = form(t, part{"model", "x"})
	_, _ = variation(f)
	dialecttest.Fields(t, v, "images/variations", routes[2], f.Read())
	dialecttest.Routes(t, v)
}

var likely = map[string][]string{
	"model": {`"gpt-image-1"`, `"dall-e-3"`, `"shapes"`}, "prompt": {`"a red circle"`, `"(a:1.3) [b]"`, `"` + strings.Repeat("€", 2730) + `"`},
	"n": {`1`, `4`, `10`}, "size": {`"auto"`, `"1024x1024"`, `"1536x864"`, `"4096x1"`}, "response_format": {`"url"`, `"b64_json"`}, "user": {`"u"`},
	"quality": {`"low"`, `"hd"`, `"max"`}, "output_format": {`"png"`, `"jpeg"`, `"webp"`}, "output_compression": {`0`, `50`, `100`},
	"background": {`"auto"`, `"opaque"`, `"transparent"`}, "stream": {`true`, `false`}, "partial_images": {`0`, `3`}, "moderation": {`"low"`},
	"style": {`"vivid"`}, "safety_identifier": {`"s"`}, "complexity": {`"low"`},
}

func TestAcceptedRequestsCanBeMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkGeneration(t, dialecttest.Body(t, likely)) })
}

func FuzzGeneration(f *testing.F) {
	f.Add([]byte(`{"model":"gpt-image-1","prompt":"A cute baby sea otter","n":1,"size":"1024x1024"}`))
	f.Add([]byte(`{"prompt":"p","n":2,"size":"1536x1024","quality":"high","output_format":"webp","output_compression":0,"stream":true,"partial_images":3}`))
	f.Fuzz(func(t *testing.T, body []byte) { checkGeneration(t, body) })
}

func checkGeneration(t rapid.TB, body []byte) {
	o, err := dialect.ParseObject(body)
	if err == nil {
		var a order
		if a, err = generation(o); err == nil {
			dialecttest.Valid(t, a.job.Job)
			return
		}
	}
	checkProblem(t, err)
}

var (
	contract = dialecttest.NewContract(New(nil))
	routes   = New(nil).Routes()
)

// checkProblem fails the test if an error has not the vendor's form.
func checkProblem(t rapid.TB, err error) {
	dialecttest.Refusal(t, err)
	contract.Refusal(t, routes[0], err)
}

func FuzzForm(f *testing.F) {
	picture, mask := pngOf(f, 64, 64, false), pngOf(f, 64, 64, true)
	body, kind := formBody(f, part{"prompt", "a hat"}, part{"image", picture}, part{"mask", mask}, part{"n", "2"}, part{"stream", "true"})
	f.Add(body, kind)
	body, kind = formBody(f, part{"image[]", picture}, part{"size", "256x256"})
	f.Add(body, kind)
	f.Add([]byte("--a\r\nContent-Disposition: form-data; name=\"image\"; filename=\"x\"\r\n\r\nRIFF....WEBPVP8L\r\n--a--\r\n"), "multipart/form-data; boundary=a")
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		for _, decode := range []func(*dialect.Form) (order, error){edit, variation} {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			r.Header.Set("Content-Type", kind)
			read, err := dialect.ReadForm(httptest.NewRecorder(), r)
			if err == nil {
				var a order
				if a, err = decode(read); err == nil {
					dialecttest.Valid(t, a.job.Job)
					continue
				}
			}
			checkProblem(t, err)
		}
	})
}
