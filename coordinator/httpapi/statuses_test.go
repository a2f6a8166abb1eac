package httpapi

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/coordinator/offer"
)

// Whatever the body of a request is, it becomes a spec that can be made or an error that states what
// is wrong in a form clients know.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"prompt":"a red circle"}`, `{"prompt":"a","steps":0}`, `{"prompt":"a","loras":[{"name":"outline","weight":0.5}]}`,
		`{"prompt":1}`, `{"x":1}`, `{} {}`, `[]`, `null`, ``, `{"prompt":"a","seed":-1,"n":4,"guidance_scale":1e308}`, `{"prompt":"\u0000\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	runtime := api.Runtime{
		Name: "test", Schedulers: []string{"DDIMScheduler", "EulerDiscreteScheduler"}, Features: []string{"txt2img", "img2img", "lora"},
		MaxPixels: 1 << 20, SizeStep: 8,
		Models: []api.Model{{
			Name: "shapes", Architecture: "sd1", Width: 128, Height: 128, Steps: 20, GuidanceScale: 5,
			Scheduler: "DDIMScheduler", LoRAs: []api.Adapter{{Name: "outline"}},
		}},
	}
	offers := offer.New(fleet.New(nil), []api.Runtime{runtime}, "", nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		var request api.JobRequest
		err := decodeStrict(body, &request)
		var spec api.ImageSpec
		if err == nil {
			var choice offer.Choice
			if choice, err = offers.Choose("", request.Model); err == nil {
				spec, err = choice.Plan(request, 1)
			}
		}
		if err != nil {
			answer, ok := errors.AsType[*api.Error](err)
			if !ok || answer.Message == "" || statuses[answer.Code]/100 != 4 {
				t.Fatalf("%q gives %v", body, err)
			}
			if _, err := json.Marshal(answer); err != nil {
				t.Fatal(err)
			}
			return
		}
		if faults := spec.Faults(); len(faults) != 0 {
			t.Fatalf("%q was accepted with %v", body, faults)
		}
		if err := runtime.Check(spec); err != nil {
			t.Fatalf("%q was accepted: %v", body, err)
		}
	})
}

func TestEveryAnsweredCodeHasAStatus(t *testing.T) {
	for _, code := range []api.Code{api.CodeInvalidRequest, api.CodeUnauthorized, api.CodeForbidden, api.CodeNotFound,
		api.CodeConflict, api.CodeTooLarge, api.CodeModelNotFound, api.CodeLoRANotFound, api.CodeUnsupported, api.CodeUnavailable, api.CodeInternal} {
		if statuses[code] == 0 {
			t.Errorf("no status for %s", code)
		}
	}
}
