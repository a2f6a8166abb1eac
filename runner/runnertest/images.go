package runnertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image"
	"image/png"
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
	for _, scheduler := range p.Runtime().Schedulers {
		t.Run(scheduler, func(t *testing.T) {
			sp := spec(t, p)
			sp.N, sp.Width, sp.Height, sp.Scheduler = 2, 96, 64, scheduler
			files, made := generate(t, p, sp)
			if len(files) != 2 {
				t.Fatalf("%d images, want 2", len(files))
			}
			for i, f := range files {
				checkFile(t, f, i, sp)
			}
			if made.Scheduler == "" || made.Steps <= 0 || made.ModelDigest != p.Runtime().Models[0].Digest || made.Device == "" || made.Timings.Total <= 0 {
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
	first, second := s.start(t), s.start(t)
	sp := spec(t, first)
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
	sp := spec(t, p)
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
	sp := spec(t, p)
	adapters := p.Runtime().Models[0].LoRAs
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
