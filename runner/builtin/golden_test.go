package builtin

import (
	"encoding/json"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
	"github.com/easelgrid/easel/runner/builtin/scheduler"
	"github.com/easelgrid/easel/runner/builtin/vae"
)

// tolerance is the largest relative error against diffusers: the L2 norm of the difference by that of the
// reference. Both compute in float32, so what remains is the order of summation.
const tolerance = 1e-4

func open(t testing.TB, name string) *Pipeline {
	t.Helper()
	p, err := Open(os.DirFS(filepath.Join("testdata", name)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reference is a file of tensors that scripts/golden made with diffusers.
type reference struct{ file *safetensors.File }

func golden(t testing.TB, name string) reference {
	t.Helper()
	file, err := safetensors.Open(os.DirFS("testdata"), name+".safetensors")
	if err != nil {
		t.Fatal(err)
	}
	return reference{file}
}

func (r reference) tensor(t testing.TB, name string) ([]float32, []int) {
	t.Helper()
	tensor, ok := r.file.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	x, err := tensor.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return x, tensor.Shape
}

func relativeError(got, want []float32) float64 {
	var difference, norm float64
	for i, w := range want {
		difference += float64(got[i]-w) * float64(got[i]-w)
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(difference / norm)
}

// agree compares with the reference, which has planes (N, C, H, W).
func (r reference) agree(t testing.TB, name string, got []float32) {
	t.Helper()
	want, shape := r.tensor(t, name)
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want the shape %v", name, len(got), shape)
	}
	if e := relativeError(got, want); !(e <= tolerance) {
		t.Errorf("%s: relative error %.2g", name, e)
	} else {
		t.Logf("%s: relative error %.2g", name, e)
	}
}

func planes(x nn.Tensor) []float32 {
	out := make([]float32, len(x.Data))
	one := x.H * x.W * x.C
	for n := range x.N {
		x.Planes(out[n*one:(n+1)*one], n)
	}
	return out
}

// batch reads planes (N, C, H, W).
func batch(m *nn.Arena, x []float32, shape []int) nn.Tensor {
	n, c, h, w := shape[0], shape[1], shape[2], shape[3]
	out := m.Tensor(n, h, w, c)
	for i := range n {
		copy(out.Data[i*c*h*w:], nn.FromPlanes(m, x[i*c*h*w:(i+1)*c*h*w], 1, h, w, c).Data)
	}
	return out
}

var pipelines = []string{"first", "second"}

func TestTokensAreThoseOfTransformers(t *testing.T) {
	data, err := os.ReadFile("testdata/tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Prompt string `json:"prompt"`
		IDs    []int  `json:"ids"`
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	p := open(t, "first")
	for _, row := range rows {
		t.Run(row.Prompt, func(t *testing.T) {
			got := p.tokenizer.Encode(row.Prompt)
			for i, want := range row.IDs {
				if got[i] != want {
					t.Fatalf("token %d is %d, want %d\ngot  %v\nwant %v", i, got[i], want, got, row.IDs)
				}
			}
		})
	}
}

func TestTextStatesAreThoseOfTransformers(t *testing.T) {
	for _, name := range pipelines {
		t.Run(name, func(t *testing.T) {
			p := open(t, name)
			states, err := p.text.Forward(&p.arena, [][]int{p.tokenizer.Encode("a photo of a red cat"), p.tokenizer.Encode("")}, 0)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name).agree(t, "text.states", states.Data)
		})
	}
}

func TestUNetIsThatOfDiffusers(t *testing.T) {
	for _, name := range pipelines {
		t.Run(name, func(t *testing.T) {
			p, want := open(t, name), golden(t, name)
			sample, shape := want.tensor(t, "unet.sample")
			states, size := want.tensor(t, "text.states")
			text := nn.Tensor{Data: states, N: size[0], H: 1, W: size[1], C: size[2]}
			out, err := p.unet.Forward(t.Context(), &p.arena, batch(&p.arena, sample, shape), 801, text)
			if err != nil {
				t.Fatal(err)
			}
			want.agree(t, "unet.output", planes(out))
		})
	}
}

func TestVAEIsThatOfDiffusers(t *testing.T) {
	for _, name := range pipelines {
		t.Run(name, func(t *testing.T) {
			p, want := open(t, name), golden(t, name)
			latents, shape := want.tensor(t, "vae.latents")
			out, err := p.vae.Decode(t.Context(), &p.arena, batch(&p.arena, latents, shape))
			if err != nil {
				t.Fatal(err)
			}
			want.agree(t, "vae.output", planes(out))
		})
	}
}

func TestVAEEncoderIsThatOfDiffusers(t *testing.T) {
	want := golden(t, "first")
	e, err := vae.OpenEncoder(os.DirFS("testdata/first"), "vae")
	if err != nil {
		t.Fatal(err)
	}
	m := &nn.Arena{}
	picture, shape := want.tensor(t, "vae.picture")
	mean, deviation, err := e.Encode(t.Context(), m, batch(m, picture, shape))
	if err != nil {
		t.Fatal(err)
	}
	want.agree(t, "vae.mean", planes(mean))
	want.agree(t, "vae.deviation", planes(deviation))
	if _, _, err := e.Encode(t.Context(), m, m.Tensor(1, 30, 32, 3)); err == nil {
		t.Error("a picture with odd sides was taken")
	}
	if _, err := vae.OpenEncoder(os.DirFS("testdata/second"), "vae"); err == nil {
		t.Error("a VAE without an encoder was opened")
	}
}

// goldenRequest is the one that scripts/golden runs.
func goldenRequest(class string) Request {
	return Request{
		Prompt: "a photo of a red cat", NegativePrompt: "blue dog", Width: 72, Height: 64,
		Steps: 10, GuidanceScale: 5, Scheduler: class, Seed: 7,
	}
}

// agreeThrough runs the request and compares the latents of every call and, where the reference has them, the
// pixels.
func agreeThrough(t *testing.T, p *Pipeline, want reference, name string, r Request) {
	t.Helper()
	p.arena.Release(nn.Mark{})
	text, err := p.encodeText(r)
	if err != nil {
		t.Fatal(err)
	}
	walks, err := p.walks(t.Context(), r, text)
	if err != nil {
		t.Fatal(err)
	}
	var latents []float32
	for _, w := range walks {
		for call := w.first; call < w.last; call++ {
			if err := w.call(t.Context(), call); err != nil {
				t.Fatal(err)
			}
			latents = append(latents, planes(w.sample)...)
		}
	}
	want.agree(t, name+".latents", latents)
	if _, ok := want.file.Tensor(name + ".pixels"); !ok {
		return
	}
	picture, err := p.Generate(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	want.agreePixels(t, name+".pixels", picture)
}

// agreePixels allows one level of difference where rounding goes the other way.
func (r reference) agreePixels(t *testing.T, name string, got *image.NRGBA) {
	t.Helper()
	want, shape := r.tensor(t, name)
	if got.Rect.Dy() != shape[0] || got.Rect.Dx() != shape[1] {
		t.Fatalf("%s: the picture is %v, want %v", name, got.Rect, shape)
	}
	differing := 0
	for i, w := range want {
		level := float32(got.Pix[i/3*4+i%3])
		if d := level - w; d > 1 || d < -1 {
			t.Fatalf("%s: value %d is %g, want %g", name, i, level, w)
		} else if d != 0 {
			differing++
		}
	}
	if differing > len(want)/500 {
		t.Errorf("%s: %d of %d values differ", name, differing, len(want))
	}
	t.Logf("%s: %d of %d values differ by one", name, differing, len(want))
}

func TestWholeRunsAreThoseOfDiffusers(t *testing.T) {
	for _, name := range pipelines {
		p, want := open(t, name), golden(t, name)
		t.Run(name+" DDIM", func(t *testing.T) { agreeThrough(t, p, want, "ddim", goldenRequest(scheduler.DDIM)) })
		t.Run(name+" Euler", func(t *testing.T) { agreeThrough(t, p, want, "euler", goldenRequest(scheduler.Euler)) })
		t.Run(name+" without guidance", func(t *testing.T) {
			r := goldenRequest(scheduler.Euler)
			r.GuidanceScale, r.Steps = 1, 3
			agreeThrough(t, p, want, "unguided", r)
		})
	}
}

func lora(t testing.TB, name string) *LoRA {
	t.Helper()
	l, err := OpenLoRA(os.DirFS("testdata"), name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLoRAsActAsInDiffusers(t *testing.T) {
	p, want := open(t, "first"), golden(t, "first")
	for _, c := range []struct {
		name   string
		weight float64
	}{{"peft", 0.8}, {"kohya", -0.6}} {
		t.Run(c.name, func(t *testing.T) {
			if err := p.SetLoRAs([]WeightedLoRA{{lora(t, c.name+".safetensors"), c.weight}}); err != nil {
				t.Fatal(err)
			}
			r := goldenRequest(scheduler.Euler)
			r.Steps = 4
			agreeThrough(t, p, want, c.name, r)
		})
	}
}

// whole is a tensor of levels as a picture's bytes.
func (r reference) levels(t *testing.T, name string) []byte {
	values, _ := r.tensor(t, name)
	out := make([]byte, len(values))
	for i, v := range values {
		out[i] = byte(v)
	}
	return out
}

func TestInitImagesAndMasksActAsInDiffusers(t *testing.T) {
	p, want := open(t, "first"), golden(t, "pictures")
	const width, height = 72, 64
	init, mask := image.NewNRGBA(image.Rect(0, 0, width, height)), image.NewGray(image.Rect(0, 0, width, height))
	for i, v := range want.levels(t, "picture") {
		init.Pix[i/3*4+i%3], init.Pix[i/3*4+3] = v, 255
	}
	copy(mask.Pix, want.levels(t, "mask"))
	for _, c := range []struct {
		name, class string
		strength    float64
		mask        *image.Gray
	}{
		{"img2img-ddim", "DDIMScheduler", 0.7, nil},
		{"img2img-ancestral", "EulerAncestralDiscreteScheduler", 0.5, nil},
		{"img2img-heun", "HeunDiscreteScheduler", 0.7, nil},
		{"img2img-all", "EulerAncestralDiscreteScheduler", 1, nil},
		{"inpaint-ddim", "DDIMScheduler", 1, mask},
		{"inpaint-ancestral", "EulerAncestralDiscreteScheduler", 0.7, mask},
		{"inpaint-heun", "HeunDiscreteScheduler", 1, mask},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := goldenRequest(c.class)
			r.Steps, r.Init, r.Mask, r.Strength = 6, init, c.mask, c.strength
			agreeThrough(t, p, want, c.name, r)
		})
	}
	t.Run("clip-skip", func(t *testing.T) {
		r := goldenRequest("DDIMScheduler")
		r.Steps, r.ClipSkip = 6, 1
		agreeThrough(t, p, want, "clip-skip", r)
	})
}
