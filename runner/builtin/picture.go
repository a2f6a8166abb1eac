package builtin

import (
	"context"
	"image"
	"math"

	"github.com/easelgrid/easel/runner/builtin/nn"
)

// picture decodes latents to 8-bit pixels.
func (p *Pipeline) picture(ctx context.Context, latents nn.Tensor) (*image.NRGBA, error) {
	mark := p.arena.Mark()
	defer p.arena.Release(mark)
	x, err := p.vae.Decode(ctx, &p.arena, latents)
	if err != nil {
		return nil, err
	}
	out := image.NewNRGBA(image.Rect(0, 0, x.W, x.H))
	for i := range x.W * x.H {
		for c := range 3 {
			out.Pix[i*4+c] = level(x.Data[i*3+c])
		}
		out.Pix[i*4+3] = 0xff
	}
	return out, nil
}

// level maps -1 to 1 onto 0 to 255. What is not a number becomes black.
func level(x float32) uint8 {
	half := x/2 + 0.5
	if !(half > 0) {
		return 0
	}
	return uint8(math.RoundToEven(float64(min(half, 1) * 255)))
}

// previewSide is the largest number of latents on a side of a preview: decoding so few costs little beside a
// step, whatever the model.
const previewSide = 16

// preview decodes latents, first made smaller by averaging squares of them; a side shorter than a square is
// one of it.
func (p *Pipeline) preview(ctx context.Context, latents nn.Tensor) (image.Image, error) {
	mark := p.arena.Mark()
	defer p.arena.Release(mark)
	square := (max(latents.H, latents.W) + previewSide - 1) / previewSide
	down, across := min(square, latents.H), min(square, latents.W)
	small := p.arena.Tensor(1, latents.H/down, latents.W/across, latents.C)
	clear(small.Data)
	share := 1 / float32(down*across)
	for y := range small.H * down {
		for x := range small.W * across {
			to := small.Data[(y/down*small.W+x/across)*small.C:]
			for c, v := range latents.Data[(y*latents.W+x)*latents.C : (y*latents.W+x+1)*latents.C] {
				to[c] += v * share
			}
		}
	}
	return p.picture(ctx, small)
}
