package builtin

import (
	"context"
	"image"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/noise"
	"github.com/easelgrid/easel/runner/builtin/scheduler"
	"github.com/easelgrid/easel/runner/builtin/vae"
)

// walks sets out what the request asks for. The random numbers are drawn in the order in which diffusers'
// pipelines draw them: for the init image, for the start, for the masked image, and then by the method.
func (p *Pipeline) walks(ctx context.Context, r Request, text texts) ([]*walk, error) {
	factor, channels := p.vae.Config.Factor(), p.unet.Config.In
	h, width := r.Height/factor, r.Width/factor
	random := &planar{noise: noise.New(r.Seed), planes: make([]float32, channels*h*width), channels: channels}
	w := &walk{
		pipeline: p, guidance: float32(r.GuidanceScale), text: text.positive,
		sample: p.arena.Tensor(1, h, width, channels), original: p.arena.Tensor(1, h, width, channels),
	}
	if r.guided() {
		w.text = text.pair()
	}
	class := r.Scheduler
	if r.Inversion {
		class = scheduler.DDIM
	}
	var err error
	if w.method, err = scheduler.New(class, p.scheduleFor(class), r.SchedulerOptions, r.Steps, random); err != nil {
		return nil, err
	}
	w.last = len(w.method.Timesteps())
	switch {
	case r.Inversion:
		back, err := p.invert(ctx, r, w, text.negative, random)
		return []*walk{back, w}, err
	case r.Init == nil:
		random.Normal(w.sample.Data)
		scale(w.sample.Data, w.method.InitSigma())
	default:
		err = p.startFrom(ctx, r, w, random)
	}
	return []*walk{w}, err
}

func scale(x []float32, by float32) {
	for i := range x {
		x[i] *= by
	}
}

// startFrom begins in the middle of the walk with the init image and as much noise as is left there (Meng et
// al. 2021, arXiv:2108.01073). Inpainting with strength 1 begins with noise alone.
func (p *Pipeline) startFrom(ctx context.Context, r Request, w *walk, random *planar) error {
	w.first = scheduler.Start(w.method, r.Steps, r.Strength)
	image, err := p.encodeSampled(ctx, r.Init, random)
	if err != nil {
		return err
	}
	fresh := p.arena.Floats(len(w.sample.Data))
	random.Normal(fresh)
	if r.Mask == nil || r.Strength < 1 {
		w.method.AddNoise(w.sample.Data, image.Data, fresh, w.first)
	} else {
		copy(w.sample.Data, fresh)
		scale(w.sample.Data, w.method.InitSigma())
	}
	if r.Mask == nil {
		return nil
	}
	// diffusers also encodes the masked image, which this kind of UNet has no use for, and so draws for it.
	random.Normal(p.arena.Floats(len(fresh)))
	w.keep = &keep{image: image, noise: fresh, mask: shrinkMask(r.Mask, p.vae.Config.Factor()), level: p.arena.Floats(len(fresh))}
	return nil
}

// shrinkMask takes the mask's pixel at the corner of each latent, as diffusers does.
func shrinkMask(mask *image.Gray, factor int) []bool {
	var small []bool
	size := mask.Rect.Size()
	for y := 0; y < size.Y; y += factor {
		for x := 0; x < size.X; x += factor {
			small = append(small, mask.Pix[y*mask.Stride+x] >= 128)
		}
	}
	return small
}

// invert is the walk from the init image back to the noise that DDIM would make it from (Dhariwal and Nichol
// 2021, arXiv:2105.05233, appendix F), under the negative prompt and without guidance. Guiding the way
// forward away from the same negative prompt then keeps what both prompts share, and with equal prompts
// gives the image again (Miyake et al. 2023, arXiv:2305.16807). Both walks share one sample.
func (p *Pipeline) invert(ctx context.Context, r Request, forward *walk, negative nn.Tensor, random *planar) (*walk, error) {
	back := &walk{pipeline: p, text: negative, sample: forward.sample, original: forward.original}
	var err error
	back.method, err = scheduler.New(api.InversionScheduler, p.scheduleFor(api.InversionScheduler), r.SchedulerOptions, r.Steps, random)
	if err != nil {
		return nil, err
	}
	image, _, err := p.encode(ctx, r.Init)
	if err != nil {
		return nil, err
	}
	copy(back.sample.Data, image.Data)
	// The way back goes as far as the way forward begins.
	forward.first = scheduler.Start(forward.method, r.Steps, r.Strength)
	back.last = len(back.method.Timesteps()) - forward.first
	return back, nil
}

// encodeSampled draws latents of a picture, scaled for the UNet.
func (p *Pipeline) encodeSampled(ctx context.Context, picture *image.NRGBA, random *planar) (nn.Tensor, error) {
	mean, deviation, err := p.encode(ctx, picture)
	if err != nil {
		return nn.Tensor{}, err
	}
	mark := p.arena.Mark()
	defer p.arena.Release(mark)
	fresh := p.arena.Floats(len(mean.Data))
	random.Normal(fresh)
	c := p.vae.Config
	for i, x := range fresh {
		mean.Data[i] += deviation.Data[i] * float32(c.Scale) * x
	}
	return mean, nil
}

// encode gives the latents' mean, scaled for the UNet, and deviation, not scaled.
func (p *Pipeline) encode(ctx context.Context, picture *image.NRGBA) (mean, deviation nn.Tensor, err error) {
	if err := p.openEncoder(); err != nil {
		return mean, deviation, err
	}
	size := picture.Rect.Size()
	x := p.arena.Tensor(1, size.Y, size.X, 3)
	for i := range size.X * size.Y {
		for c := range 3 {
			x.Data[i*3+c] = float32(picture.Pix[i*4+c])/255*2 - 1
		}
	}
	mean, deviation, err = p.encoder.Encode(ctx, &p.arena, x)
	c := p.vae.Config
	for i := range mean.Data {
		mean.Data[i] = (mean.Data[i] - float32(c.Shift)) * float32(c.Scale)
	}
	return mean, deviation, err
}

// openEncoder loads the half of the VAE that only init images need.
func (p *Pipeline) openEncoder() (err error) {
	if p.encoder == nil {
		p.encoder, err = vae.OpenEncoder(p.vaeFiles, p.vaeDir)
	}
	if err != nil {
		return api.Errorf(api.CodeModelBroken, "the VAE's encoder: %v", err)
	}
	return nil
}
