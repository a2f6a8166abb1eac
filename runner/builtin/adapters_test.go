package builtin

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture"
	"github.com/easelgrid/easel/runner"
)

// made asks a runtime for one small picture.
func made(t *testing.T, r *Runtime, edit func(*api.ImageSpec)) ([]byte, runner.Made, error) {
	t.Helper()
	steps, seed := 2, int64(1)
	spec, faults := api.JobRequest{Prompt: "a red circle on a blue background", Steps: &steps, Seed: &seed}.Spec(r.info.Models[0], 0)
	if err := api.Invalid(faults); err != nil {
		t.Fatal(err)
	}
	spec.Width, spec.Height = 64, 64
	edit(&spec)
	var pixels []byte
	m, err := r.Generate(t.Context(), spec, picture.Inputs{}, runner.Sink{
		Progress: func(api.Progress) {},
		Image:    func(f runner.Finished) error { pixels = f.Picture.(*image.NRGBA).Pix; return nil },
	})
	return pixels, m, err
}

func TestVAEsComeAndGo(t *testing.T) {
	dir := t.TempDir()
	own, err := fs.Sub(Shipped(), "vae")
	if err != nil {
		t.Fatal(err)
	}
	config, err := fs.ReadFile(own, "config.json")
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.CopyFS(filepath.Join(dir, "same"), own), os.CopyFS(filepath.Join(dir, "other"), own),
		os.CopyFS(filepath.Join(dir, "wrong"), os.DirFS("testdata/first/vae")), os.Mkdir(filepath.Join(dir, "empty"), 0o700),
	)
	if err != nil {
		t.Fatal(err)
	}
	brighter := bytes.Replace(config, []byte(`"scaling_factor": `), []byte(`"scaling_factor": 1`), 1)
	if bytes.Equal(brighter, config) {
		t.Fatal("the shipped VAE names no scaling factor")
	}
	if err := os.WriteFile(filepath.Join(dir, "other", "config.json"), brighter, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{VAEDirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	if names := len(r.info.Models[0].VAEs); names != 3 {
		t.Fatalf("%d VAEs are offered: %v", names, r.info.Models[0].VAEs)
	}
	with := func(name string) ([]byte, runner.Made, error) {
		return made(t, r, func(s *api.ImageSpec) { s.VAE = name })
	}
	base, account, err := with("")
	if err != nil || account.VAEDigest != "" {
		t.Fatalf("VAE digest %q, %v", account.VAEDigest, err)
	}
	for _, c := range []struct {
		name string
		same bool
	}{{"same", true}, {"other", false}, {"", true}, {"other", false}, {"same", true}} {
		got, account, err := with(c.name)
		if err != nil {
			t.Fatalf("%q: %v", c.name, err)
		}
		if bytes.Equal(got, base) != c.same {
			t.Errorf("%q: the picture is the model's own: %t, want %t", c.name, !c.same, c.same)
		}
		i := slices.IndexFunc(r.info.Models[0].VAEs, func(a api.Adapter) bool { return a.Name == c.name })
		if c.name != "" && account.VAEDigest != r.info.Models[0].VAEs[i].Digest {
			t.Errorf("%q: the account has the digest %q", c.name, account.VAEDigest)
		}
	}
	if _, _, err := with("wrong"); api.AsError(err, "").Code != api.CodeInvalidRequest {
		t.Errorf("a VAE for another model gives %v", err)
	}
	if again, _, err := with(""); err != nil || !bytes.Equal(again, base) {
		t.Errorf("after the VAE that does not fit the picture changed, or %v", err)
	}
}

func TestOpenLoRAsAreBounded(t *testing.T) {
	dir := t.TempDir()
	body, err := fs.ReadFile(ShippedLoRAs(), "outline.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxOpenLoRAs + 4 { // each differs in white space behind the header's JSON
		size := int(body[0]) | int(body[1])<<8 | int(body[2])<<16
		longer := slices.Concat(body[:8], body[8:8+size], bytes.Repeat([]byte(" "), 8*(i+1)), body[8+size:])
		longer[0], longer[1], longer[2] = byte(size+8*(i+1)), byte((size+8*(i+1))>>8), byte((size+8*(i+1))>>16)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("l%d.safetensors", i)), longer, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := New(Options{LoRADirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	var first []byte
	for i := range maxOpenLoRAs + 4 {
		got, _, err := made(t, r, func(s *api.ImageSpec) { s.LoRAs = []api.LoRA{{Name: fmt.Sprintf("l%d", i), Weight: 1}} })
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !bytes.Equal(got, first) {
			t.Errorf("l%d gives another picture than its twin", i)
		}
		if len(r.loras) > maxOpenLoRAs {
			t.Fatalf("%d LoRAs are open, want at most %d", len(r.loras), maxOpenLoRAs)
		}
	}
}
