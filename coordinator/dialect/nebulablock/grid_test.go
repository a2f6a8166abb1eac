package nebulablock_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"strings"
	"testing"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/nebulablock"
	"github.com/easelgrid/easel/e2e/grid"
)

func TestMain(m *testing.M) { grid.Main(m) }

var (
	routes   = nebulablock.New(nil).Routes()
	generate = routes[0]
	slip     = routes[1]
	models   = routes[2]
)

func file(width, height int) string {
	return base64.StdEncoding.EncodeToString(grid.PNG(width, height))
}

func TestPictures(t *testing.T) {
	v := grid.Demo(t).Client(t, nebulablock.New(nil))
	for name, c := range map[string]struct {
		route            dialect.Route
		body             string
		model            string
		width, height, n int
	}{
		"the vendor's first sample, with its slip": {slip, `{
    "model": "stabilityai/stable-diffusion-xl-base-1.0",
    "prompt": "insert your prompt here",
    "num_steps": 25,
    "guidance_scale": 9,
    "width": 1024,
    "height": 1024,
    "negative_prompt": null
}`, "stabilityai/stable-diffusion-xl-base-1.0", 1024, 1024, 1},
		"the vendor's second sample": {generate, `{
    "model":"black-forest-labs/FLUX.1-Fill-dev",
    "prompt": "a red baseball cap",
    "num_steps": 40,
    "guidance_scale": 4.5,
    "width": 1024,
    "height": 1024,
    "image": "` + file(96, 64) + `", 
    "mask": "` + file(96, 64) + `"
}`, "black-forest-labs/FLUX.1-Fill-dev", 1024, 1024, 1},
		"the names before": {generate, `{"model_name":"black-forest-labs/FLUX.1-schnell","prompt":"a","input_image":"data:image/png;base64,` + file(64, 64) + `","width":256,"height":128,"seed":-1}`,
			"black-forest-labs/FLUX.1-schnell", 256, 128, 1},
		"sides that are brought to 16, several": {generate, `{"model":"black-forest-labs/FLUX.1-schnell","prompt":"a","width":500,"height":300,"n":3,"seed":7}`,
			"black-forest-labs/FLUX.1-schnell", 496, 304, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var reply struct {
				Model string
				Data  []struct {
					Timings struct{ Inference float64 }
					Index   int
					Base64  []byte `json:"b64_json"`
				}
			}
			a := v.Ask(t, c.route, "Bearer "+v.Key, "", c.body)
			a.Decode(t, &reply)
			if a.Status != 200 || reply.Model != c.model || len(reply.Data) != c.n {
				t.Fatalf("got %d %.300s", a.Status, a.Body)
			}
			for i, d := range reply.Data {
				size, kind, err := image.DecodeConfig(bytes.NewReader(d.Base64))
				if err != nil || kind != "png" || size.Width != c.width || size.Height != c.height {
					t.Errorf("got a %s of %d x %d (%v)", kind, size.Width, size.Height, err)
				}
				if d.Index != i || d.Timings.Inference <= 0 {
					t.Errorf("got index %d, %g s", d.Index, d.Timings.Inference)
				}
			}
		})
	}
}

func TestModels(t *testing.T) {
	v := grid.Demo(t).Client(t, nebulablock.New(nil))
	a := v.Ask(t, models, "Bearer "+v.Key, "", "")
	var reply struct {
		Data struct {
			Models []struct {
				Name string `json:"model_name"`
				Type string `json:"model_type"`
			}
		}
		Message, Status string
	}
	a.Decode(t, &reply)
	if a.Status != 200 || len(reply.Data.Models) == 0 || reply.Message != "Get models list successfully." {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	for _, m := range reply.Data.Models {
		if m.Name == "" || m.Type != "Image" {
			t.Errorf("got %+v", m)
		}
	}
}

func TestRefusals(t *testing.T) {
	v := grid.Demo(t).Client(t, nebulablock.New(nil))
	key := "Bearer " + v.Key
	for name, c := range map[string]struct {
		route     dialect.Route
		key, body string
		status    int
		says      string
	}{
		"no key":            {generate, "", `{"prompt":"a"}`, 401, ""},
		"no key for models": {models, "", "", 401, ""},
		"no body":           {slip, key, "", 400, "body: got nothing"},
		"faults":            {generate, key, `{"prompt":"","num_steps":0,"seed":-2}`, 400, "prompt: want a text that is not empty; num_steps: got 0, want a whole number from 1 to 500; seed: got -2"},
		"no such model":     {generate, key, `{"model":"x/y","prompt":"a"}`, 404, "x/y"},
		"a mask of another size": {
			generate, key, `{"prompt":"a","image":"` + file(64, 64) + `","mask":"` + file(32, 32) + `"}`, 400, "mask: got 32 x 32 pixels, want 64 x 64",
		},
		"what the node cannot": {generate, key, `{"model":"black-forest-labs/FLUX.1-schnell","prompt":"fake:fail=1"}`, 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := v.Ask(t, c.route, c.key, "", c.body)
			var problem struct{ Message, Status string }
			a.Decode(t, &problem)
			if a.Status != c.status || problem.Status != "failed" || !strings.Contains(problem.Message, c.says) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		})
	}
}
