package modelslab

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestFaultsOfRequests(t *testing.T) {
	picture := "https://pictures.example/a.png"
	for name, c := range map[string]struct {
		path, body string
		status     int
		says       []string
	}{
		"no body":           {"text2img", "", 401, []string{"API key required"}},
		"no JSON":           {"text2img", "hello", 400, []string{"body: got malformed JSON at byte 1, want a JSON object"}},
		"an array":          {"text2img", "[1]", 400, []string{"want a JSON object"}},
		"key is a list":     {"text2img", `{"key":["secret"]}`, 400, []string{"key: got an array, want a string"}},
		"wrong key":         {"text2img", `{"key":"guess","prompt":"a"}`, 401, []string{"Invalid API key"}},
		"no prompt":         {"text2img", `{"key":"secret"}`, 400, []string{"prompt is required"}},
		"blank prompt":      {"text2img", `{"key":"secret","prompt":" "}`, 400, []string{"prompt is required"}},
		"prompt is a list":  {"text2img", `{"key":"secret","prompt":["a"]}`, 400, []string{"prompt: got an array, want a string"}},
		"no such model":     {"text2img", `{"key":"secret","prompt":"a","model_id":"midjourney"}`, 404, []string{"Model not found: midjourney"}},
		"no model and more": {"text2img", `{"key":"secret","model_id":"midjourney"}`, 400, []string{"prompt is required", `model_id: got "midjourney"`}},
		"odd size":          {"text2img", `{"key":"secret","prompt":"a","width":"500","height":"2000000"}`, 400, []string{"width: got 500, want a multiple of 8 from 64 to 4096", "height: got"}},
		"too many":          {"text2img", `{"key":"secret","prompt":"a","samples":"5"}`, 400, []string{`samples: got "5", want a whole number from 1 to 4`}},
		"all at once": {"img2img", `{"key":"secret","samples":0,"guidance_scale":"high","num_inference_steps":501,"seed":-5,"clip_skip":9,"strength":2,"tomesd":"perhaps","width":7,"webhook":"ftp://a","safety_checker_type":"hide"}`, 400,
			[]string{"prompt is required", "init_image is required", "samples:", "guidance_scale:", "num_inference_steps:", "seed:", "clip_skip:", "strength:", "tomesd:", "width:", "webhook:", "safety_checker_type:"}},
		"strength of nothing":  {"img2img", `{"key":"secret","prompt":"a","init_image":"` + picture + `","strength":0}`, 400, []string{"strength: got 0, want more than 0"}},
		"lists that differ":    {"text2img", `{"key":"secret","prompt":"a","lora_model":"a,b","lora_strength":"0.5"}`, 400, []string{"lora_strength: got 1 values, want as many as lora_model has: 2"}},
		"strength is a word":   {"text2img", `{"key":"secret","prompt":"a","lora_model":"a","lora_strength":"much"}`, 400, []string{`lora_strength: got "much"`}},
		"strong LoRA":          {"text2img", `{"key":"secret","prompt":"a","lora_model":"a","lora_strength":"5"}`, 400, []string{"lora_strength: got 5, want -4 to 4"}},
		"LoRA with a path":     {"text2img", `{"key":"secret","prompt":"a","lora_model":"../a"}`, 400, []string{`lora_model: got "../a"`}},
		"empty LoRA":           {"text2img", `{"key":"secret","prompt":"a","lora_model":"a,"}`, 400, []string{`lora_model: got ""`}},
		"algorithm elsewhere":  {"text2img", `{"key":"secret","prompt":"a","scheduler":"UniPCMultistepScheduler","algorithm_type":"dpmsolver+++"}`, 400, []string{"algorithm_type: got", "UniPCMultistepScheduler takes no algorithm_type"}},
		"inversion of text":    {"text2img", `{"key":"secret","prompt":"a","scheduler":"DDIMInverseScheduler"}`, 400, []string{"init_image: want a picture"}},
		"deep clip skip":       {"text2img", `{"key":"secret","prompt":"a","clip_skip":"8"}`, 200, nil},
		"enhance style":        {"text2img", `{"key":"secret","prompt":"a","enhance_style":"cinematic"}`, 400, []string{"enhance_style: "}},
		"panorama":             {"text2img", `{"key":"secret","prompt":"a","panorama":"yes","upscale":"yes","self_attention":"yes","highres_fix":"yes","multi_lingual":"yes"}`, 400, []string{"panorama: got yes, want no", "upscale: ", "self_attention: ", "highres_fix: ", "multi_lingual: "}},
		"private picture":      {"img2img", `{"key":"secret","prompt":"a","init_image":"http://10.0.0.1/a.png"}`, 400, []string{"init_image: got", "Unable to fetch image from provided URL"}},
		"no picture":           {"img2img", `{"key":"secret","prompt":"a","init_image":"aGVsbG8="}`, 400, []string{"init_image: got 5 bytes of something else, want a PNG, JPEG or WebP file"}},
		"no base64":            {"inpaint", `{"key":"secret","prompt":"a","init_image":"???","mask_image":"data:image/png,abc"}`, 400, []string{"init_image: ", "mask_image: "}},
		"mask of another size": {"inpaint", `{"key":"secret","prompt":"a","init_image":"` + picture + `","mask_image":"` + base64Of(64, 64) + `"}`, 400, []string{"mask_image: got 64 x 64 pixels, want 512 x 512"}},
		"controlnet":           {"controlnet", `{"key":"secret","prompt":"a"}`, 400, []string{"controlnet_model: "}},
		"load_model":           {"load_model", `{"key":"secret","url":"https://a/b"}`, 400, []string{"load_model is not done here"}},
		"restart_server":       {"restart_server", `{"key":"secret"}`, 400, []string{"restart_server is not done here"}},
		"no id":                {"fetch", `{"key":"secret"}`, 400, []string{"request_id is required"}},
		"no number":            {"fetch", `{"key":"secret","request_id":"your_request_id"}`, 404, []string{"there is no request"}},
		"no such request":      {"fetch/17", `{"key":"secret"}`, 404, []string{`request_id: there is no request "17"`}},
		"which model":          {"verify_model", `{"key":"secret"}`, 400, []string{"model_id is required"}},
		"what image":           {"upload_image", `{"key":"secret","image_type":"gif"}`, 400, []string{"base64_image is required", "image_type: "}},
		"check what":           {"nsfw_image_check", `{"key":"secret"}`, 400, []string{"init_image is required"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDesk()
			s.missing = "midjourney"
			w := ask(t, serving(s), "POST", "/api/v1/enterprise/"+c.path, c.body)
			if w.Code != c.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if c.status == 200 {
				return
			}
			problem := checkError(t, w)
			for _, part := range c.says {
				if !strings.Contains(problem.Message, part) {
					t.Errorf("%q is not in %q", part, problem.Message)
				}
			}
		})
	}
}

// checkError reads an error in the vendor's form.
func checkError(t testing.TB, w *httptest.ResponseRecorder) failure {
	t.Helper()
	var problem failure
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if problem.Status != "error" || problem.Message == "" || problem.Message != problem.Messege {
		t.Errorf("%s is not the vendor's form", w.Body)
	}
	return problem
}

func TestErrorsOfTheService(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		status     int
		says       string
		retryAfter int
	}{
		"rate":         {&api.Error{Code: api.CodeRateLimited, Message: "at most 5 requests a minute", RetryAfter: 30}, 429, "at most 5 requests a minute", 30},
		"quota":        {&api.Error{Code: api.CodeQuotaExceeded, Message: "the quota is used up", RetryAfter: 3600}, 402, "the quota is used up", 3600},
		"forbidden":    {api.Errorf(api.CodeForbidden, "this key may not"), 403, "this key may not", 0},
		"unknown LoRA": {api.Errorf(api.CodeLoRANotFound, "loras[0].name: got \"x\", want one of outline"), 404, "lora_model: got \"x\", want one of outline", 0},
		"unknown VAE":  {api.Errorf(api.CodeModelNotFound, "vae: got \"x\", want one of none"), 404, "vae: got \"x\"", 0},
		"runtime":      {api.Invalid([]api.Fault{{Field: "token_merging", Limit: "nothing"}, {Field: "loras[1].weight", Limit: "less"}}), 400, "tomesd: want nothing; lora_strength: want less", 0},
		"too large":    {api.Errorf(api.CodeTooLarge, "body: got more"), 413, "body: got more", 0},
		"storage":      {api.Errorf(api.CodeUnavailable, "storage is full"), 503, "storage is full", 0},
		"defect":       {api.Errorf(api.CodeInternal, "nil pointer"), 500, "Internal server error", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDesk()
			s.refusal = c.err
			w := ask(t, serving(s), "POST", "/api/v6/images/text2img", `{"key":"secret","prompt":"a"}`)
			problem := checkError(t, w)
			if w.Code != c.status || problem.Message != c.says && !strings.HasPrefix(problem.Message, c.says) || problem.RetryAfter != c.retryAfter {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if c.retryAfter > 0 && w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}
