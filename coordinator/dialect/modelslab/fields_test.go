package modelslab

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/coordinator/dialect"
)

// plainBody has what a request needs and nothing else.
func plainBody(request string) map[string]any {
	switch request {
	case textToImage:
		return map[string]any{"key": "secret", "prompt": "a circle"}
	case imageToImage:
		return map[string]any{"key": "secret", "prompt": "a circle", "init_image": "https://pictures.example/a.png"}
	case inpaint:
		return map[string]any{"key": "secret", "prompt": "a circle", "init_image": "https://pictures.example/a.png", "mask_image": "https://pictures.example/m.png"}
	}
	return map[string]any{"key": "secret"}
}

// otherValues are values of fields that are not their defaults, with what they need besides.
var otherValues = map[string]map[string]any{
	"model_id":            {"model_id": "realistic-vision-51"},
	"prompt":              {"prompt": "two squares"},
	"negative_prompt":     {"negative_prompt": "blurry"},
	"width":               {"width": "256"},
	"height":              {"height": 256},
	"samples":             {"samples": "4"},
	"num_inference_steps": {"num_inference_steps": "41"},
	"steps":               {"steps": "21"},
	"safety_checker":      {"safety_checker": "no"},
	"safety_checker_type": {"safety_checker_type": "blur"},
	"enhance_prompt":      {"enhance_prompt": "yes"},
	"enhance_style":       {"enhance_style": "cinematic"},
	"guidance_scale":      {"guidance_scale": "9"},
	"seed":                {"seed": "1793745243"},
	"scheduler":           {"scheduler": "EulerDiscreteScheduler"},
	"tomesd":              {"tomesd": "yes"},
	"use_karras_sigmas":   {"use_karras_sigmas": "yes"},
	"algorithm_type":      {"algorithm_type": "dpmsolver+++", "scheduler": "DPMSolverMultistepScheduler"},
	"vae":                 {"vae": "crisp"},
	"lora_model":          {"lora_model": "outline"},
	"lora_strength":       {"lora_model": "outline", "lora_strength": "0.7"},
	"clip_skip":           {"clip_skip": "2"},
	"webhook":             {"webhook": "https://hooks.example/a"},
	"track_id":            {"webhook": "https://hooks.example/a", "track_id": 12},
	"base64":              {"base64": "yes"},
	"temp":                {"temp": "yes"},
	"instant_response":    {"instant_response": true},
	"self_attention":      {"self_attention": "yes"},
	"upscale":             {"upscale": "yes"},
	"multi_lingual":       {"multi_lingual": true},
	"embeddings_model":    {"embeddings_model": "bad_prompt_version2"},
	"ip_adapter_id":       {"ip_adapter_id": "ip-adapter_sdxl"},
	"ip_adapter_image":    {"ip_adapter_image": "https://pictures.example/b.png"},
	"ip_adapter_scale":    {"ip_adapter_scale": 0.5},
	"loadbalancer":        {"loadbalancer": "yes"},
	"panorama":            {"panorama": "yes"},
	"highres_fix":         {"highres_fix": "yes"},
	"init_image":          {"init_image": "https://pictures.example/c.png"},
	"mask_image":          {"mask_image": "https://pictures.example/d.png"},
	"strength":            {"strength": "0.3"},
}

// without leaves one field of a value's out, as what it needs is there in both requests.
func merged(body map[string]any, more map[string]any, without string) *form {
	all := map[string]any{}
	for name, value := range body {
		all[name] = value
	}
	for name, value := range more {
		if name != without {
			all[name] = value
		}
	}
	encoded, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	o, err := dialect.ParseObject(encoded)
	if err != nil {
		panic(err)
	}
	return &form{o}
}

// What the table has of each field is what the decoder does.
func TestTableOfFields(t *testing.T) {
	for _, request := range []string{textToImage, imageToImage, inpaint} {
		known := []string{}
		for _, f := range fieldsOf(request) {
			known = append(known, f.name)
			t.Run(request+" "+f.name, func(t *testing.T) {
				value, ok := otherValues[f.name]
				if !ok {
					t.Fatal("no value to try")
				}
				without, with := merged(plainBody(request), value, f.name), merged(plainBody(request), value, "")
				karras := map[string]any{"scheduler": "EulerDiscreteScheduler"}
				if f.name == "use_karras_sigmas" {
					without, with = merged(plainBody(request), karras, ""), merged(plainBody(request), map[string]any{"scheduler": "EulerDiscreteScheduler", "use_karras_sigmas": "yes"}, "")
				}
				before, after := decodeGeneration(without, request), decodeGeneration(with, request)
				tips := len(after.tips)
				before.tips, after.tips = nil, nil
				same := cmp.Equal(before, after, cmp.AllowUnexported(generation{}))
				refused := with.Err() != nil && strings.Contains(with.Err().Error(), f.name+": ")
				switch f.use {
				case dialect.Used:
					if same || with.Err() != nil {
						t.Errorf("used, but same %v, error %v", same, with.Err())
					}
				case dialect.Harmless:
					if !same || with.Err() != nil {
						t.Errorf("without effect, but same %v, error %v", same, with.Err())
					}
					if f.name == "enhance_prompt" && tips != 1 {
						t.Error("no tip that the prompt stays as it is")
					}
				case dialect.Refused:
					if !refused {
						t.Errorf("refused, but error %v", with.Err())
					}
				}
				if without.Err() != nil {
					t.Errorf("without it: %v", without.Err())
				}
			})
		}
		f := merged(plainBody(request), nil, "")
		decodeGeneration(f, request)
		for _, name := range f.Read() {
			if !slices.Contains(known, name) {
				t.Errorf("%s: %s is decoded and not in the table", request, name)
			}
		}
	}
}

// Fields that are switched off, null or empty are no wish for anything.
func TestFieldsThatAreOff(t *testing.T) {
	for _, request := range []string{textToImage, imageToImage, inpaint} {
		plain := merged(plainBody(request), nil, "")
		want := decodeGeneration(plain, request)
		off := map[string]any{}
		for _, f := range fieldsOf(request) {
			switch {
			case slices.Contains(mustHave[request], f.name):
			case f.schema == "yesNo" && f.name != "safety_checker":
				off[f.name] = "no"
			case f.schema == "onlyNo":
				off[f.name] = false
			case f.name == "lora_strength":
				off[f.name] = "0.5"
			case f.schema == "text" || f.schema == "nothing" || f.schema == "address":
				off[f.name] = ""
			default:
				off[f.name] = nil
			}
		}
		f := merged(plainBody(request), off, "")
		if diff := cmp.Diff(want, decodeGeneration(f, request), cmp.AllowUnexported(generation{})); diff != "" || f.Err() != nil {
			t.Errorf("%s: %v %s", request, f.Err(), diff)
		}
	}
}

func TestEveryRequestHasFields(t *testing.T) {
	have := map[string]bool{}
	for _, f := range New(newDesk()).Fields() {
		have[f.Request] = true
		if f.Name == "" || f.Use == "" || f.Use != dialect.Used && f.Note == "" {
			t.Errorf("%+v has too little", f)
		}
	}
	for _, e := range endpoints() {
		if !have[e.request] && !have[e.verb] {
			t.Errorf("%s is not in the table", e.verb)
		}
	}
}
