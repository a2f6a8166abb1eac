package runnertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/easelgrid/easel/api"
)

func describes(t *testing.T, s *suite) {
	info := s.start(t).Runtime()
	if info.Name == "" || info.Version == "" || info.MaxPixels <= 0 || info.SizeStep <= 0 || len(info.Schedulers) == 0 {
		t.Errorf("incomplete description: %+v", info)
	}
	for _, m := range info.Models {
		if len(m.Digest) != 64 || m.Architecture == "" {
			t.Errorf("model %s: digest %q, architecture %q", m.Name, m.Digest, m.Architecture)
		}
		sp, faults := api.JobRequest{Prompt: "x"}.Spec(m, 0)
		if err := errors.Join(api.Invalid(faults), info.Check(sp)); err != nil {
			t.Errorf("model %s cannot do its own defaults: %v", m.Name, err)
		}
	}
}

func makes(t *testing.T, s *suite) {
	p := s.start(t)
	for _, scheduler := range p.Runtime().SchedulersOf(s.about(t, p)) {
		t.Run(scheduler, func(t *testing.T) {
			sp := s.spec(t, p)
			sp.N, sp.Width, sp.Height, sp.Scheduler = 2, 96, 64, scheduler
			dir := t.TempDir()
			if scheduler == api.InversionScheduler {
				sp.Mode, sp.InitImage, sp.Strength = api.ModeInversion, Input(t, dir, stripes(96, 64)), 1
			}
			files, made, err := tryIn(t, p, sp, dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(files) != 2 {
				t.Fatalf("%d images, want 2", len(files))
			}
			for i, f := range files {
				checkFile(t, f, i, sp)
			}
			if made.Scheduler == "" || made.Steps <= 0 || made.ModelDigest != s.about(t, p).Digest || made.Device == "" || made.Timings.Total <= 0 {
				t.Errorf("incomplete account: %+v", made)
			}
		})
	}
}

func checkFile(t *testing.T, f file, index int, sp api.ImageSpec) {
	t.Helper()
	sum := sha256.Sum256(f.body)
	if f.SHA256 != hex.EncodeToString(sum[:]) || f.Bytes != int64(len(f.body)) || f.Type != "image/png" {
		t.Errorf("image %d: digest, size or type do not fit the file: %+v", index, f.Image)
	}
	if f.Index != index || f.Seed != sp.Seed+int64(index) || f.Width != sp.Width || f.Height != sp.Height {
		t.Errorf("image %d: %+v, want seed %d and %dx%d", index, f.Image, sp.Seed+int64(index), sp.Width, sp.Height)
	}
	picture, err := png.Decode(bytes.NewReader(f.body))
	if err != nil {
		t.Fatalf("image %d: %v", index, err)
	}
	if size := picture.Bounds().Size(); size != image.Pt(sp.Width, sp.Height) {
		t.Errorf("image %d: picture of %v", index, size)
	}
	if !bytes.Contains(f.body, []byte(sp.Prompt)) {
		t.Errorf("image %d: no prompt in its text chunks", index)
	}
}

func repeats(t *testing.T, s *suite) {
	first, second := s.start(t), s.launch(t)
	sp := s.spec(t, first)
	a, _ := generate(t, first, sp)
	b, _ := generate(t, second, sp)
	again, _ := generate(t, first, sp)
	if a[0].SHA256 != b[0].SHA256 || a[0].SHA256 != again[0].SHA256 {
		t.Errorf("three digests of one request: %s, %s, %s", a[0].SHA256, b[0].SHA256, again[0].SHA256)
	}
	sp.Seed++
	if c, _ := generate(t, first, sp); samePixels(t, a[0], c[0]) {
		t.Error("another seed gave the same picture")
	}
}

func batches(t *testing.T, s *suite) {
	p := s.start(t)
	sp := s.spec(t, p)
	sp.N = 2
	both, _ := generate(t, p, sp)
	sp.N, sp.Seed = 1, sp.Seed+1
	second, _ := generate(t, p, sp)
	if !samePixels(t, both[1], second[0]) {
		t.Error("image 1 of seed s is not image 0 of seed s+1")
	}
}

func adapts(t *testing.T, s *suite) {
	p := s.start(t)
	sp := s.spec(t, p)
	adapters := s.about(t, p).LoRAs
	if !slices.Contains(p.Runtime().Features, "lora") || len(adapters) == 0 {
		t.Log("the runtime offers no LoRA for this model: nothing to check")
		return
	}
	base, _ := generate(t, p, sp)
	sp.LoRAs = []api.LoRA{{Name: adapters[0].Name, Weight: 0}}
	zero, _ := generate(t, p, sp)
	sp.LoRAs[0].Weight = 1
	full, made := generate(t, p, sp)
	sp.LoRAs = []api.LoRA{}
	after, _ := generate(t, p, sp)
	if !samePixels(t, base[0], zero[0]) {
		t.Error("weight 0 changed the picture")
	}
	if samePixels(t, base[0], full[0]) {
		t.Error("weight 1 changed nothing")
	}
	if base[0].SHA256 != after[0].SHA256 {
		t.Error("the LoRA left a trace")
	}
	if made.LoRADigests[adapters[0].Name] != adapters[0].Digest {
		t.Errorf("LoRA digests %v, want %s", made.LoRADigests, adapters[0].Digest)
	}
}

// Input writes a picture into a job's directory as an input and describes it.
func Input(t testing.TB, dir string, picture image.Image) *api.Input {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	in, err := api.ReadInput(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, in.FileName()), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return &in
}

func stripes(width, height int) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / width), uint8(y / 8 * 40), 90, 255})
		}
	}
	return p
}

func starts(t *testing.T, s *suite) {
	p := s.start(t)
	sp := s.spec(t, p)
	if !slices.Contains(p.Runtime().Features, api.FeatureInpaint) {
		t.Log("the runtime does no inpainting: nothing to check")
		return
	}
	plain, _ := generate(t, p, sp)
	init := stripes(sp.Width, sp.Height)
	dir := t.TempDir()
	sp.InitImage, sp.Strength = Input(t, dir, init), 0.7
	near, made, err := tryIn(t, p, sp, dir)
	if err != nil {
		t.Fatal(err)
	}
	if made.Steps != sp.EffectiveSteps() {
		t.Errorf("%d steps made, want %d", made.Steps, sp.EffectiveSteps())
	}
	if samePixels(t, plain[0], near[0]) {
		t.Error("the init image changed nothing")
	}
	mask := image.NewGray(init.Rect)
	for y := range sp.Height / 2 {
		for x := range sp.Width / 2 {
			mask.SetGray(x, y, color.Gray{Y: 255})
		}
	}
	sp.MaskImage, sp.Strength = Input(t, dir, mask), 1
	painted, _, err := tryIn(t, p, sp, dir)
	if err != nil {
		t.Fatal(err)
	}
	outsideIsKept(t, painted[0], init, mask)
}

func outsideIsKept(t *testing.T, f file, init *image.NRGBA, mask *image.Gray) {
	t.Helper()
	got, err := png.Decode(bytes.NewReader(f.body))
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for y := range mask.Rect.Dy() {
		for x := range mask.Rect.Dx() {
			same := color.NRGBAModel.Convert(got.At(x, y)) == init.At(x, y)
			if mask.GrayAt(x, y).Y == 0 && !same {
				t.Fatalf("pixel %d,%d outside of the mask is %v, was %v", x, y, got.At(x, y), init.At(x, y))
			}
			if mask.GrayAt(x, y).Y > 0 && !same {
				changed++
			}
		}
	}
	if changed == 0 {
		t.Error("nothing was painted inside of the mask")
	}
}

func finishes(t *testing.T, s *suite) {
	p := s.start(t)
	for _, format := range []api.Format{api.FormatPNG, api.FormatJPEG, api.FormatWebP} {
		sp := s.spec(t, p)
		sp.Format, sp.Quality = format, 80
		if format == api.FormatPNG {
			sp.Quality = 0
		}
		if s.about(t, p).PlainBackground && format != api.FormatJPEG {
			sp.Background = api.BackgroundTransparent
		}
		files, _ := generate(t, p, sp)
		in, err := api.ReadInput(files[0].body)
		if err != nil || in.Type != format.MediaType() || files[0].Type != in.Type || in.Width != sp.Width || in.Height != sp.Height {
			t.Errorf("%s: the file is %+v (%v), described as %+v", format, in, err, files[0].Image)
		}
	}
}

func samePixels(t *testing.T, a, b file) bool {
	t.Helper()
	x, err := png.Decode(bytes.NewReader(a.body))
	y, err2 := png.Decode(bytes.NewReader(b.body))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	size := x.Bounds()
	if size != y.Bounds() {
		return false
	}
	for py := range size.Dy() {
		for px := range size.Dx() {
			if x.At(px, py) != y.At(px, py) {
				return false
			}
		}
	}
	return true
}
