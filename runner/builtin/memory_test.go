package builtin

import (
	"fmt"
	"io/fs"
	"testing"

	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// parameters counts the numbers in a file's tensors whose names begin with one of the prefixes.
func parameters(t *testing.T, fsys fs.FS, name string, prefixes ...string) int {
	t.Helper()
	file, err := safetensors.Open(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, key := range file.Names() {
		for _, prefix := range prefixes {
			if len(key) < len(prefix) || key[:len(prefix)] != prefix {
				continue
			}
			tensor, _ := file.Tensor(key)
			n := 1
			for _, side := range tensor.Shape {
				n *= side
			}
			total += n
			break
		}
	}
	return total
}

// The limit is 1.5 times the weights and the activations of the most expensive block, the VAE's last: at the picture's
// size its input, that normalised, what is between its convolutions, and its result.
func TestMemoryIsThatOfWeightsAndActivations(t *testing.T) {
	weights := parameters(t, Shipped(), "unet/diffusion_pytorch_model.safetensors", "") +
		parameters(t, Shipped(), "text_encoder/model.safetensors", "") +
		parameters(t, Shipped(), "vae/diffusion_pytorch_model.safetensors", "decoder.", "post_quant_conv.")
	for _, side := range []int{128, 256} {
		t.Run(fmt.Sprint(side), func(t *testing.T) {
			p, err := Open(Shipped())
			if err != nil {
				t.Fatal(err)
			}
			r := small()
			r.Width, r.Height = side, side
			generate(t, p, r)
			c := p.vae.Config
			activations := side * side * (2*c.Channels[1] + 2*c.Channels[0])
			held := p.unet.Kept() + p.text.Kept() + p.vae.Kept() + p.arena.Held()
			limit := (weights + activations) * 3 / 2
			t.Logf("weights %d, activations %d, kept %d, arena %d of which used %d: %.2f times",
				weights, activations, held-p.arena.Held(), p.arena.Held(), p.arena.Peak(), float64(held)/float64(weights+activations))
			if held > limit {
				t.Errorf("%d floats are held, the limit is %d", held, limit)
			}
		})
	}
}
