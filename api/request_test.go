package api

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var model = Model{Name: "m", Width: 128, Height: 96, Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler", LoRAs: []Adapter{{Name: "outline"}}}

func to[T any](v T) *T { return &v }

func TestDefaultsComeFromTheModel(t *testing.T) {
	s, faults := JobRequest{Prompt: "x"}.Spec(model, 42)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if s.Model != "m" || s.Width != 128 || s.Height != 96 || s.Steps != 20 || s.GuidanceScale != 5 ||
		s.Scheduler != "DDIMScheduler" || s.Seed != 42 || s.N != 1 || s.LoRAs == nil {
		t.Errorf("got %+v", s)
	}
}

func TestFaultsNameFieldValueAndLimit(t *testing.T) {
	for _, test := range []struct {
		name    string
		request JobRequest
		want    []string // fields, in order
	}{
		{"nothing wrong", JobRequest{Prompt: "x"}, nil},
		{"empty prompt", JobRequest{Prompt: " \n"}, []string{"prompt"}},
		{"long prompt", JobRequest{Prompt: strings.Repeat("x", MaxPromptBytes+1)}, []string{"prompt"}},
		{"longest prompt", JobRequest{Prompt: strings.Repeat("x", MaxPromptBytes)}, nil},
		{"prompt with NUL", JobRequest{Prompt: "a\x00b"}, []string{"prompt"}},
		{"negative prompt with an escape character", JobRequest{Prompt: "a", NegativePrompt: "a\x1bb"}, []string{"negative_prompt"}},
		{"prompt not UTF-8", JobRequest{Prompt: "a\xffb"}, []string{"prompt"}},
		{"explicit zero is not a default", JobRequest{Prompt: "x", Steps: to(0), N: to(0), Width: to(0)}, []string{"n", "steps", "width"}},
		{"guidance NaN", JobRequest{Prompt: "x", GuidanceScale: to(math.NaN())}, []string{"guidance_scale"}},
		{"guidance infinite", JobRequest{Prompt: "x", GuidanceScale: to(math.Inf(1))}, []string{"guidance_scale"}},
		{"last seed overflows", JobRequest{Prompt: "x", Seed: to(int64(MaxSeed)), N: to(2)}, []string{"seed"}},
		{"last seed fits", JobRequest{Prompt: "x", Seed: to(int64(MaxSeed - 1)), N: to(2)}, nil},
		{"sizes", JobRequest{Prompt: "x", Width: to(63), Height: to(MaxSide + 8)}, []string{"height", "width"}},
		{"LoRA path", JobRequest{Prompt: "x", LoRAs: []LoRA{{"../x", 1}}}, []string{"loras[0].name"}},
		{"LoRA twice", JobRequest{Prompt: "x", LoRAs: []LoRA{{"a", 1}, {"a", 0}}}, []string{"loras[1].name"}},
		{"LoRA weight NaN", JobRequest{Prompt: "x", LoRAs: []LoRA{{"a", math.NaN()}}}, []string{"loras[0].weight"}},
		{"negative LoRA weight", JobRequest{Prompt: "x", LoRAs: []LoRA{{"a", -1}}}, nil},
		{"LoRA weight out of range", JobRequest{Prompt: "x", LoRAs: []LoRA{{"a", 4.5}}}, []string{"loras[0].weight"}},
		{"eleven images", JobRequest{Prompt: "x", N: to(11)}, []string{"n"}},
		{"clip skip", JobRequest{Prompt: "x", ClipSkip: to(9)}, []string{"clip_skip"}},
		{"finished size", JobRequest{Prompt: "x", OutputWidth: to(4097), OutputHeight: to(0)}, []string{"output_height", "output_width"}},
		{"half a finished size", JobRequest{Prompt: "x", OutputWidth: to(512)}, []string{"output_height"}},
		{"VAE path", JobRequest{Prompt: "x", VAE: "a/b"}, []string{"vae"}},
		{"token merging NaN", JobRequest{Prompt: "x", TokenMerging: to(math.NaN())}, []string{"token_merging"}},
		{"format", JobRequest{Prompt: "x", Format: "gif"}, []string{"format"}},
		{"quality of png", JobRequest{Prompt: "x", Quality: to(90)}, []string{"quality"}},
		{"quality of jpeg", JobRequest{Prompt: "x", Format: FormatJPEG, Quality: to(101)}, []string{"quality"}},
		{"transparent jpeg", JobRequest{Prompt: "x", Format: FormatJPEG, Background: BackgroundTransparent}, []string{"background"}},
		{"background", JobRequest{Prompt: "x", Background: "blue"}, []string{"background"}},
		{"safety action alone", JobRequest{Prompt: "x", SafetyCheck: to(false), SafetyAction: SafetyBlur}, []string{"safety_action"}},
		{"safety action", JobRequest{Prompt: "x", SafetyCheck: to(true), SafetyAction: "burn"}, []string{"safety_action"}},
		{"too many LoRAs", JobRequest{Prompt: "x", LoRAs: make([]LoRA, MaxLoRAs+1)}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, faults := test.request.Spec(model, 1)
			var fields []string
			for _, f := range faults {
				fields = append(fields, f.Field)
				if f.Limit == "" {
					t.Errorf("%s has no limit", f.Field)
				}
			}
			if test.name == "too many LoRAs" {
				if !slices.Contains(fields, "loras") {
					t.Errorf("got %v", fields)
				}
				return
			}
			if !slices.Equal(fields, test.want) {
				t.Errorf("got %v, want %v", fields, test.want)
			}
		})
	}
}

func TestCheckNamesWhatThereIs(t *testing.T) {
	r := Runtime{Models: []Model{model}, Schedulers: []string{"DDIMScheduler"}, MaxPixels: 128 * 128, SizeStep: 8}
	for _, test := range []struct {
		name   string
		spoil  func(*ImageSpec)
		code   Code
		naming string
	}{
		{"nothing wrong", func(*ImageSpec) {}, "", ""},
		{"model", func(s *ImageSpec) { s.Model = "other" }, CodeModelNotFound, "want one of m"},
		{"LoRA", func(s *ImageSpec) { s.LoRAs = []LoRA{{"other", 1}} }, CodeLoRANotFound, "want one of outline"},
		{"scheduler", func(s *ImageSpec) { s.Scheduler = "Other" }, CodeInvalidRequest, "one of DDIMScheduler"},
		{"pixels", func(s *ImageSpec) { s.Width = 256 }, CodeInvalidRequest, "at most 16384 pixels"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _ := JobRequest{Prompt: "x"}.Spec(model, 1)
			test.spoil(&s)
			err := r.Check(s)
			if test.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != test.code || !strings.Contains(e.Message, test.naming) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Whatever a request holds, it is either refused with faults or becomes a spec within every limit.
func TestSpecIsWithinLimitsOrFaulty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.IntRange(-10, 600), rapid.Int())
		r := JobRequest{
			Prompt: rapid.String().Draw(t, "prompt"), Scheduler: rapid.String().Draw(t, "scheduler"),
			Width: to(number.Draw(t, "width")), Height: to(8 * rapid.IntRange(0, 600).Draw(t, "height")),
			Steps: to(number.Draw(t, "steps")), N: to(rapid.IntRange(-1, 12).Draw(t, "n")),
			GuidanceScale: to(rapid.Float64().Draw(t, "guidance")), Seed: to(rapid.Int64().Draw(t, "seed")),
			LoRAs: []LoRA{{rapid.String().Draw(t, "lora"), rapid.Float64().Draw(t, "weight")}},
		}
		s, faults := r.Spec(model, 1)
		ok := strings.TrimSpace(s.Prompt) != "" && s.Width >= MinSide && s.Width <= MaxSide && s.Width%SizeStep == 0 &&
			s.Height >= MinSide && s.Height <= MaxSide && s.Steps >= 1 && s.Steps <= MaxSteps && s.N >= 1 && s.N <= MaxImages &&
			s.GuidanceScale >= 0 && s.GuidanceScale <= MaxGuidanceScale && s.Seed >= 0 && s.Seed+int64(s.N)-1 <= MaxSeed &&
			PlainName(s.LoRAs[0].Name) && math.Abs(s.LoRAs[0].Weight) <= MaxLoRAWeight && !strings.ContainsRune(s.Prompt, 0)
		if len(faults) == 0 && !ok {
			t.Fatalf("accepted %+v", s)
		}
		if len(faults) > 0 && Invalid(faults) == nil {
			t.Fatal("faults without an error")
		}
	})
}

func TestPlainName(t *testing.T) {
	for name, want := range map[string]bool{
		"outline": true, "a.b_c-1": true, "": false, ".": false, "..": false, ".hidden": false, "a/b": false,
		`a\b`: false, "a b": false, "C:": false, "ä": false, strings.Repeat("a", 129): false, "a\x00": false,
	} {
		if got := PlainName(name); got != want {
			t.Errorf("PlainName(%q) = %v, want %v", name, got, want)
		}
	}
}
