package modelslab

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/api"
)

func pointer[T any](v T) *T { return &v }

// The vendor's own examples, letter by letter.
func TestExamples(t *testing.T) {
	portrait := "ultra realistic close up portrait ((beautiful pale cyberpunk female with heavy black eyeliner))"
	karras := api.SchedulerOptions{SigmaSchedule: "karras"}
	for _, c := range []struct {
		file, path string
		want       api.JobRequest // without the prompts
		prompt     string
		tip        bool
	}{
		{"enterprise-text2img", "/api/v1/enterprise/text2img", api.JobRequest{
			Width: pointer(512), Height: pointer(512), N: pointer(1), Steps: pointer(20), GuidanceScale: pointer(7.5), Scheduler: "UniPCMultistepScheduler",
			ClipSkip: pointer(1), TokenMerging: pointer(0.5), SchedulerOptions: karras, SafetyCheck: pointer(false),
		}, portrait, true},
		{"enterprise-text2img", "/api/v1/enterprise/images/text2img", api.JobRequest{
			Width: pointer(512), Height: pointer(512), N: pointer(1), Steps: pointer(20), GuidanceScale: pointer(7.5), Scheduler: "UniPCMultistepScheduler",
			ClipSkip: pointer(1), TokenMerging: pointer(0.5), SchedulerOptions: karras, SafetyCheck: pointer(false),
		}, portrait, true},
		{"v6-text2img", "/api/v6/images/text2img", api.JobRequest{
			Width: pointer(512), Height: pointer(512), N: pointer(1), Steps: pointer(31), GuidanceScale: pointer(7.5), Scheduler: "UniPCMultistepScheduler",
			ClipSkip: pointer(1), TokenMerging: pointer(0.5), SchedulerOptions: karras, SafetyCheck: pointer(false),
		}, portrait, true},
		{"realtime-text2img", "/api/v6/realtime/text2img", api.JobRequest{
			Width: pointer(512), Height: pointer(512), N: pointer(1), SafetyCheck: pointer(false),
		}, portrait, false},
		{"enterprise-img2img", "/api/v1/enterprise/img2img", api.JobRequest{
			N: pointer(1), Steps: pointer(31), GuidanceScale: pointer(7.5), Scheduler: "UniPCMultistepScheduler", TokenMerging: pointer(0.5),
			SchedulerOptions: karras, SafetyCheck: pointer(true), SafetyAction: api.SafetyText, InitImage: somePicture, Strength: pointer(0.7),
		}, "women playing tennis", true},
		{"v6-img2img", "/api/v6/images/img2img", api.JobRequest{
			N: pointer(1), Steps: pointer(31), GuidanceScale: pointer(7.5), Scheduler: "UniPCMultistepScheduler", TokenMerging: pointer(0.5),
			SchedulerOptions: karras, SafetyCheck: pointer(true), SafetyAction: api.SafetyText, InitImage: somePicture, Strength: pointer(0.7),
		}, "women playing tennis", true},
		{"enterprise-inpaint", "/api/v1/enterprise/inpaint", api.JobRequest{ // PNDM has no Karras sigmas
			Width: pointer(512), Height: pointer(512), N: pointer(1), Steps: pointer(30), GuidanceScale: pointer(7.5), Scheduler: "PNDMScheduler", TokenMerging: pointer(0.5),
			SafetyCheck: pointer(false), InitImage: somePicture, MaskImage: somePicture, Strength: pointer(0.7),
		}, "a cat sitting on a bench", false},
		{"v6-inpaint", "/api/v6/images/inpaint", api.JobRequest{
			Width: pointer(512), Height: pointer(512), N: pointer(1), Steps: pointer(21), GuidanceScale: pointer(7.5), Scheduler: "UniPCMultistepScheduler",
			SchedulerOptions: karras, SafetyCheck: pointer(false), InitImage: somePicture, MaskImage: somePicture, Strength: pointer(0.7),
		}, "a cat sitting on a bench", false},
	} {
		t.Run(strings.TrimPrefix(c.path, "/api/"), func(t *testing.T) {
			body, err := os.ReadFile("testdata/" + c.file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			s := newDesk()
			w := ask(t, serving(s), "POST", c.path, string(body))
			if w.Code != 200 || len(s.requests) != 1 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			got := s.requests[0].Job
			if !strings.HasPrefix(got.Prompt, c.prompt) {
				t.Errorf("prompt %q", got.Prompt)
			}
			got.Prompt, got.NegativePrompt = "", ""
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			var reply success
			if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
				t.Fatal(err)
			}
			if reply.Status != "success" || len(reply.Output) != 1 || (reply.Tip != "") != c.tip || reply.Meta.Seed != 4711 {
				t.Errorf("%+v", reply)
			}
		})
	}
}

func TestOtherExamples(t *testing.T) {
	for _, c := range []struct {
		file, path string
		status     int
		says       string
	}{
		{"enterprise-controlnet", "/api/v1/enterprise/controlnet", 400, "controlnet_model: no model here has a ControlNet"},
		{"upload_image", "/api/v1/enterprise/upload_image", 200, `{"status":"success","message":"image uploaded","image_url":"https://grid.example/kept/1"}`},
		{"nsfw_image_check", "/api/v1/enterprise/nsfw_image_check", 400, "Unable to fetch image from provided URL"},
		{"fetch", "/api/v1/enterprise/fetch", 401, `{"status":"error","message":"API key required","messege":"API key required"}`},
	} {
		t.Run(c.file, func(t *testing.T) {
			body, err := os.ReadFile("testdata/" + c.file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			w := ask(t, serving(newDesk()), "POST", c.path, string(body))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
