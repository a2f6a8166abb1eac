package diffusers_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/diffusers"
)

// tensor is one of a safetensors file, in float32.
type tensor struct {
	shape  []int
	values []float32
}

// readTensors and writeTensors know as much of the format as these tests need.
func readTensors(t *testing.T, path string) map[string]tensor {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.Uint64(body)
	header := map[string]json.RawMessage{}
	if err := json.Unmarshal(body[8:8+size], &header); err != nil {
		t.Fatal(err)
	}
	tensors := map[string]tensor{}
	for name, raw := range header {
		var entry struct {
			DType   string `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}
		if name == "__metadata__" {
			continue
		}
		if err := json.Unmarshal(raw, &entry); err != nil || entry.DType != "F32" {
			t.Fatalf("%s: %s is %s (%v)", path, name, entry.DType, err)
		}
		values := make([]float32, (entry.Offsets[1]-entry.Offsets[0])/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[8+int(size)+entry.Offsets[0]+4*i:]))
		}
		tensors[name] = tensor{entry.Shape, values}
	}
	return tensors
}

func writeTensors(t *testing.T, path string, tensors map[string]tensor) {
	t.Helper()
	header, data := map[string]any{}, []byte{}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		start := len(data)
		for _, v := range tensors[name].values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[name] = map[string]any{"dtype": "F32", "shape": tensors[name].shape, "data_offsets": []int{start, len(data)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	body := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(body, data...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// spoil writes a changed copy of a safetensors file.
func spoil(t *testing.T, from, to string, change func(map[string]tensor)) {
	t.Helper()
	tensors := readTensors(t, from)
	change(tensors)
	writeTensors(t, to, tensors)
}

// first is the first name in order that has the ending.
func first(tensors map[string]tensor, ending string) string {
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		if strings.HasSuffix(name, ending) {
			return name
		}
	}
	return ""
}

// copyModel copies a model's directory, so that it can be spoilt.
func copyModel(t *testing.T, from, to string) string {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestFaults lets one worker meet everything that can be wrong with models, LoRAs and requests: each is one clear
// error, and the worker lives on.
func TestFaults(t *testing.T) {
	python(t)
	tiny, _ := tinyModels(t)
	dir := t.TempDir()
	loras, models := filepath.Join(dir, "loras"), filepath.Join(dir, "models")
	good := filepath.Join(tiny, "loras", "sd1", "peft.safetensors")
	spoil(t, good, filepath.Join(loras, "half.safetensors"), func(ts map[string]tensor) { delete(ts, first(ts, "lora_B.weight")) })
	spoil(t, good, filepath.Join(loras, "surplus.safetensors"), func(ts map[string]tensor) {
		ts["unet.no_such_layer.lora_A.weight"] = tensor{[]int{1, 2}, []float32{1, 2}}
	})
	spoil(t, good, filepath.Join(loras, "narrow.safetensors"), func(ts map[string]tensor) {
		ts[first(ts, "lora_A.weight")] = tensor{[]int{2, 3}, make([]float32, 6)}
	})
	spoil(t, good, filepath.Join(loras, "dora.safetensors"), func(ts map[string]tensor) {
		ts["unet.conv_in.dora_scale"] = tensor{[]int{1}, []float32{1}}
	})
	writeTensors(t, filepath.Join(loras, "empty.safetensors"), map[string]tensor{})
	if err := os.WriteFile(filepath.Join(loras, "damaged.safetensors"), []byte("this is no safetensors file"), 0o600); err != nil {
		t.Fatal(err)
	}
	spoil(t, filepath.Join(tiny, "loras", "sdxl", "peft.safetensors"), filepath.Join(loras, "of-sdxl.safetensors"), func(map[string]tensor) {})
	spoil(t, good, filepath.Join(loras, "good.safetensors"), func(map[string]tensor) {})

	sd1 := filepath.Join(tiny, "sd1")
	pickled := copyModel(t, sd1, filepath.Join(models, "pickled"))
	if err := os.WriteFile(filepath.Join(pickled, "unet", "diffusion_pytorch_model.bin"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	weights := "unet/diffusion_pytorch_model.safetensors"
	lacking := copyModel(t, sd1, filepath.Join(models, "lacking"))
	spoil(t, filepath.Join(sd1, weights), filepath.Join(lacking, weights), func(ts map[string]tensor) { delete(ts, "conv_in.weight") })
	other := copyModel(t, sd1, filepath.Join(models, "other"))
	spoil(t, filepath.Join(sd1, weights), filepath.Join(other, weights), func(ts map[string]tensor) {
		ts["conv_in.bias"] = tensor{[]int{3}, make([]float32, 3)}
	})
	cut := copyModel(t, sd1, filepath.Join(models, "cut"))
	if err := os.Truncate(filepath.Join(cut, weights), 100); err != nil {
		t.Fatal(err)
	}
	overflowing := copyModel(t, sd1, filepath.Join(models, "overflowing"))
	spoil(t, filepath.Join(sd1, weights), filepath.Join(overflowing, weights), func(ts map[string]tensor) {
		ts["conv_out.bias"].values[0] = float32(math.NaN())
	})
	black := copyModel(t, sd1, filepath.Join(models, "black"))
	vae := "vae/diffusion_pytorch_model.safetensors"
	spoil(t, filepath.Join(sd1, vae), filepath.Join(black, vae), func(ts map[string]tensor) {
		copy(ts["decoder.conv_out.bias"].values, []float32{-1e6, -1e6, -1e6})
	})
	notNumbers := copyModel(t, sd1, filepath.Join(models, "not-numbers"))
	spoil(t, filepath.Join(sd1, vae), filepath.Join(notNumbers, vae), func(ts map[string]tensor) {
		ts["decoder.conv_out.bias"].values[0] = float32(math.NaN())
	})

	p := launch(t, diffusers.Options{
		ModelDirs: []string{sd1, filepath.Join(tiny, "sd3"), filepath.Join(tiny, "flux"), pickled, lacking, other, cut, overflowing, black, notNumbers},
		LoRADirs:  []string{loras}, Threads: 1,
	})
	lora := func(name string) func(*api.ImageSpec) {
		return func(s *api.ImageSpec) { s.LoRAs = []api.LoRA{{Name: name, Weight: 0.5}} }
	}
	model := func(name string) func(*api.ImageSpec) { return func(s *api.ImageSpec) { s.Model = name } }
	flow := func(name string, change func(*api.ImageSpec)) func(*api.ImageSpec) {
		return func(s *api.ImageSpec) {
			s.Model, s.Scheduler, s.GuidanceScale = name, "FlowMatchEulerDiscreteScheduler", 3
			change(s)
		}
	}
	for _, test := range []struct {
		name   string
		spoil  func(*api.ImageSpec)
		code   api.Code
		naming string
	}{
		{"half a LoRA", lora("half"), api.CodeLoRAIncompatible, "q_proj.lora_A.weight: one of its two matrices is missing"},
		{"a LoRA with a layer too many", lora("surplus"), api.CodeLoRAIncompatible, "no layer for the key unet.no_such_layer.lora_A.weight"},
		{"a LoRA of other shapes", lora("narrow"), api.CodeLoRAIncompatible, "(2, 3)"},
		{"a LoRA with a weight decomposition", lora("dora"), api.CodeLoRAIncompatible, "unet.conv_in.dora_scale"},
		{"a LoRA of nothing", lora("empty"), api.CodeLoRAIncompatible, "no layers"},
		{"a LoRA of another architecture", lora("of-sdxl"), api.CodeLoRAIncompatible, "LoRA of-sdxl: "},
		{"a damaged LoRA", lora("damaged"), api.CodeModelBroken, "LoRA damaged"},
		{"an unfit LoRA of weight 0", func(s *api.ImageSpec) { s.LoRAs = []api.LoRA{{Name: "half"}} }, api.CodeLoRAIncompatible, "missing"},
		{"a model with a pickle", model("pickled"), api.CodeModelBroken, "unet/diffusion_pytorch_model.bin is a pickle"},
		{"a model that lacks a weight", model("lacking"), api.CodeModelBroken, "conv_in.weight"},
		{"a model with a weight of another shape", model("other"), api.CodeModelBroken, "conv_in.bias"},
		{"a model whose file is cut off", model("cut"), api.CodeModelBroken, "model cut: "},
		{"latents that are not numbers", model("overflowing"), api.CodeRuntimeFailed, "latents of image 0 are not numbers any more after call 1"},
		{"a picture that is not made of numbers", model("not-numbers"), api.CodeRuntimeFailed, "image 0 is not made of numbers"},
		{"a black picture", model("black"), api.CodeRuntimeFailed, "image 0 is all black"},
		{"a memory too small", func(s *api.ImageSpec) { s.Width, s.Height, s.Steps = 768, 768, 1 }, api.CodeOutOfMemory, "memory"},
		{"a prompt of 10,000 tokens", func(s *api.ImageSpec) { s.Prompt = strings.Repeat("red ", 2000) }, api.CodeInvalidRequest, "prompt: got 2000 tokens, want at most 600"},
		{"a weight too heavy", func(s *api.ImageSpec) { s.Prompt = "(red:11)" }, api.CodeInvalidRequest, "prompt: got the weight 11, want 0 to 10"},
		{"more layers skipped than there are", func(s *api.ImageSpec) { s.ClipSkip = 4 }, api.CodeInvalidRequest, "clip_skip"},
		{"a safety check without a checker", func(s *api.ImageSpec) { s.SafetyCheck, s.SafetyAction = true, api.SafetyBlack }, api.CodeInvalidRequest, "has no safety checker"},
		{"an inversion", func(s *api.ImageSpec) {
			s.Mode, s.Scheduler, s.InitImage, s.Strength = api.ModeInversion, api.InversionScheduler, &api.Input{}, 1
		}, api.CodeInvalidRequest, "inversion"},
		{"Flux with a scheduler of SD", flow("flux", func(s *api.ImageSpec) { s.Scheduler = "DDIMScheduler" }), api.CodeInvalidRequest, `scheduler: got "DDIMScheduler", want FlowMatchEulerDiscreteScheduler: model flux`},
		{"SD with a scheduler of Flux", func(s *api.ImageSpec) { s.Scheduler = "FlowMatchEulerDiscreteScheduler" }, api.CodeInvalidRequest, "DDPMScheduler"},
		{"Flux with a negative prompt", flow("flux", func(s *api.ImageSpec) { s.NegativePrompt = "blue" }), api.CodeInvalidRequest, "negative_prompt"},
		{"Flux with a prompt too long", flow("flux", func(s *api.ImageSpec) { s.Prompt = strings.Repeat("red ", 300) }), api.CodeInvalidRequest, "want at most 512"},
		{"Flux with karras", flow("flux", func(s *api.ImageSpec) { s.SchedulerOptions.SigmaSchedule = "karras" }), api.CodeInvalidRequest, "scheduler_options.sigma_schedule"},
		{"SD3 of an odd size", flow("sd3", func(s *api.ImageSpec) { s.Width = 72 }), api.CodeInvalidRequest, "multiples of 16"},
		{"SD3 with merged tokens", flow("sd3", func(s *api.ImageSpec) { s.TokenMerging = 0.5 }), api.CodeInvalidRequest, "token_merging"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.code == api.CodeOutOfMemory {
				picture(t, p, base(t, p, "sd1")) // the model fits, the picture is what does not
				limitMemory(t, p.PID())
			}
			sp := base(t, p, "sd1")
			test.spoil(&sp)
			d := t.TempDir()
			if sp.InitImage != nil {
				sp.InitImage = inputFile(t, d, sp.Width, sp.Height)
			}
			_, err := p.Generate(t.Context(), sp, d, 0, runner.Watch{})
			e, ok := errors.AsType[*api.Error](err)
			if !ok || e.Code != test.code || !strings.Contains(e.Message, test.naming) {
				t.Errorf("got %v, want %s with %q", err, test.code, test.naming)
			}
		})
	}
	sp := base(t, p, "sd1")
	sp.LoRAs = []api.LoRA{{Name: "good", Weight: -2}}
	picture(t, p, sp)
	if p.Err() != nil {
		t.Errorf("the worker ended: %v", p.Err())
	}
}

// launch starts a worker that the test stops.
func launch(t *testing.T, o diffusers.Options) *runner.Process {
	t.Helper()
	p, err := runner.Start(t.Context(), child(t, o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(context.Background()) })
	return p
}

// base is a small request for a model.
func base(t *testing.T, p *runner.Process, model string) api.ImageSpec {
	t.Helper()
	m, ok := p.Runtime().FindModel(model)
	if !ok {
		t.Fatalf("no model %s", model)
	}
	steps := 3
	sp, faults := api.JobRequest{Prompt: "a red circle", Steps: &steps}.Spec(m, 5)
	if err := api.Invalid(faults); err != nil {
		t.Fatal(err)
	}
	return sp
}

// picture makes image 0 of a request and returns its pixels.
func picture(t *testing.T, p *runner.Process, sp api.ImageSpec) []byte {
	t.Helper()
	pixels, _ := pictureIn(t, p, sp, t.TempDir())
	return pixels
}

func pictureIn(t *testing.T, p *runner.Process, sp api.ImageSpec, dir string) ([]byte, runner.Made) {
	t.Helper()
	var pixels []byte
	made, err := p.Generate(t.Context(), sp, dir, 0, runner.Watch{Image: func(path string, i api.Image) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		decoded, err := png.Decode(f)
		if err != nil {
			return err
		}
		for y := range i.Height {
			for x := range i.Width {
				c := color.NRGBAModel.Convert(decoded.At(x, y)).(color.NRGBA)
				pixels = append(pixels, c.R, c.G, c.B)
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return pixels, made
}

// inputFile writes a picture as a request's init image.
func inputFile(t *testing.T, dir string, width, height int) *api.Input {
	t.Helper()
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range p.Pix {
		p.Pix[i] = uint8(i * 7)
		if i%4 == 3 {
			p.Pix[i] = 255
		}
	}
	var b strings.Builder
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	in, err := api.ReadInput([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, in.FileName()), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return &in
}
