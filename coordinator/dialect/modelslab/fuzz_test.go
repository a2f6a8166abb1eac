package modelslab

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

var someCaller = dialect.Caller{Name: "somebody"}

func someRequest(alias string) dialect.Request {
	return dialect.Request{Dialect: Name, Alias: alias, Job: api.JobRequest{Prompt: "a circle"}}
}

// exampleRequests are the vendor's examples and what they ask for.
var exampleRequests = map[string]string{
	"enterprise-text2img": textToImage, "v6-text2img": textToImage, "realtime-text2img": textToImage,
	"enterprise-img2img": imageToImage, "v6-img2img": imageToImage, "enterprise-inpaint": inpaint, "v6-inpaint": inpaint,
	"upload_image": uploadImage, "nsfw_image_check": nsfwCheck,
}

func readExample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// checkAnswered looks at a reply to any request: it is as described, and what was taken is a job that
// the model could make.
func checkAnswered(t testing.TB, s *desk, method, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	checkReply(t, method, path, w.Code, w.Body.Bytes())
	if w.Code != 200 {
		checkError(t, w)
	}
	if w.Code >= 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, r := range s.requests {
		if _, faults := r.Job.Spec(someModel.Model, 1); faults != nil {
			t.Errorf("taken with faults: %v", faults)
		}
		if r.Dialect != Name || r.Alias == "" && !strings.HasSuffix(path, nsfwCheck) {
			t.Errorf("%+v", r)
		}
	}
}

// FuzzRequests sends any body to any endpoint.
func FuzzRequests(f *testing.F) {
	all := endpoints()
	for file, request := range exampleRequests {
		for i, e := range all {
			if e.request == request {
				f.Add(uint8(i), string(readExample(f, file)))
			}
		}
	}
	for i := range all {
		f.Add(uint8(i), `{"key":"secret","request_id":"42","model_id":"shapes"}`)
	}
	f.Add(uint8(0), `{"key":"secret","prompt":"a","lora_model":"a,b","lora_strength":"0.5,1e400","seed":"-1","base64":1}`)
	f.Add(uint8(2), `{"key":"secret","prompt":"a","init_image":"`+base64Of(64, 64)+`","strength":"0.001"}`)
	f.Add(uint8(3), `{"key":"secret","prompt":"a","init_image":"`+base64Of(64, 64)+`","mask_image":"data:image/png;base64,`+base64Of(64, 64)+`","scheduler":"DDIMInverseScheduler"}`)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		e := all[int(which)%len(all)]
		s := newDesk()
		path := e.path(e.under[0])
		w := ask(t, serving(s), "POST", strings.ReplaceAll(path, "{id}", "42"), body, "Content-Type", "application/x-www-form-urlencoded")
		checkAnswered(t, s, "POST", path, w)
	})
}

// Any values of documented fields are either taken, and make a job that the model can make, or refused
// in the vendor's form.
func TestAnyValuesOfFields(t *testing.T) {
	values := []any{
		nil, "", "yes", "no", true, false, "none", "0", "1", "2", "4", "21", "512", 512, 64.0, 0.5, "0.5", "0.1,0.7", -1, 1e300, "NaN", "a,b",
		"outline,lcm", "DPMSolverMultistepScheduler", "KarrasVeScheduler", "DDIMInverseScheduler", "dpmsolver+++", "blur", "https://a.example/b",
		"http://10.0.0.1/", base64Of(64, 64), base64Of(512, 512), "data:image/png;base64," + base64Of(72, 64), []any{"a"}, map[string]any{"a": 1}, "\x00", "\u2028",
	}
	requests := map[string]string{textToImage: "/text2img", imageToImage: "/img2img", inpaint: "/inpaint"}
	taken := 0
	rapid.Check(t, func(rt *rapid.T) {
		request := rapid.SampledFrom([]string{textToImage, imageToImage, inpaint}).Draw(rt, "request")
		body := plainBody(request)
		fields := fieldsOf(request)
		for range rapid.IntRange(0, 6).Draw(rt, "fields") {
			name := rapid.SampledFrom(fields).Draw(rt, "field").name
			body[name] = rapid.SampledFrom(values).Draw(rt, "value")
			if rapid.Bool().Draw(rt, "sensible") {
				for other, value := range otherValues[name] {
					body[other] = value
				}
			}
		}
		encoded, err := json.Marshal(body)
		if err != nil {
			rt.Fatal(err)
		}
		s := newDesk()
		path := "/api/v1/enterprise" + requests[request]
		w := ask(t, serving(s), "POST", path, string(encoded))
		checkAnswered(t, s, "POST", path, w)
		taken += len(s.requests)
		if t.Failed() {
			rt.Fatalf("%.2000s", encoded)
		}
	})
	if taken == 0 {
		t.Error("nothing was taken")
	}
}
