// Package builtin runs Stable Diffusion 1.x in Go alone, without cgo and without anything beside the binary.
//
// It executes a pipeline directory of Hugging Face diffusers (class StableDiffusionPipeline), in float32 on
// the processor, and agrees with diffusers within rounding: same seed, same picture. Run twice on one machine,
// it gives the same bytes, whatever GOMAXPROCS is. What a configuration asks for and the engine does not
// implement is refused by name when the directory is opened. A safety_checker component is not run.
package builtin

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/config"
	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/scheduler"
	"github.com/easelgrid/easel/runner/builtin/textencoder"
	"github.com/easelgrid/easel/runner/builtin/tokenizer"
	"github.com/easelgrid/easel/runner/builtin/unet"
	"github.com/easelgrid/easel/runner/builtin/vae"
)

// Pipeline is a loaded model. It does one thing at a time: its methods must not be called concurrently.
type Pipeline struct {
	tokenizer *tokenizer.Tokenizer
	text      *textencoder.Model
	unet      *unet.Model
	vae       *vae.Decoder
	encoder   *vae.Encoder // nil until an init image needs it
	vaeFiles  fs.FS        // where vae and encoder come from
	vaeDir    string
	own       *vae.Decoder // the model's own, while another is in use
	files     fs.FS
	schedule  scheduler.Config
	arena     nn.Arena
	active    []WeightedLoRA
}

// Open reads a pipeline directory: model_index.json, unet, vae, text_encoder, tokenizer and scheduler.
func Open(fsys fs.FS) (*Pipeline, error) {
	if err := checkIndex(fsys); err != nil {
		return nil, err
	}
	p := &Pipeline{files: fsys, vaeFiles: fsys, vaeDir: "vae"}
	var err error
	if p.tokenizer, err = tokenizer.Open(fsys, "tokenizer"); err != nil {
		return nil, err
	}
	if p.schedule, err = scheduler.ReadConfig(fsys, "scheduler/scheduler_config.json"); err != nil {
		return nil, err
	}
	if p.text, err = textencoder.Open(fsys, "text_encoder"); err != nil {
		return nil, err
	}
	if p.unet, err = unet.Open(fsys, "unet"); err != nil {
		return nil, err
	}
	if p.vae, err = vae.Open(fsys, "vae"); err != nil {
		return nil, err
	}
	p.own = p.vae
	return p, p.checkFit()
}

// components are the classes that the engine implements, by the names that model_index.json gives them.
var components = map[string][]any{
	"unet":         {[]string{"diffusers", "UNet2DConditionModel"}},
	"vae":          {[]string{"diffusers", "AutoencoderKL"}},
	"text_encoder": {[]string{"transformers", "CLIPTextModel"}},
	"tokenizer":    {[]string{"transformers", "CLIPTokenizer"}, []string{"transformers", "CLIPTokenizerFast"}},
}

// checkIndex refuses a directory of another class, or with other parts.
func checkIndex(fsys fs.FS) error {
	f, err := config.Open(fsys, "model_index.json")
	if err != nil {
		return err
	}
	f.Only("_class_name", "StableDiffusionPipeline")
	for _, name := range slices.Sorted(maps.Keys(components)) {
		if !f.Has(name) {
			f.Fault(name, "the pipeline needs it")
			continue
		}
		f.Only(name, components[name]...)
	}
	f.Only("image_encoder", []any{nil, nil})
	return f.Err()
}

// checkFit refuses parts that do not fit one another.
func (p *Pipeline) checkFit() error {
	var faults []error
	differ := func(what string, a, b int) {
		if a != b {
			faults = append(faults, fmt.Errorf("the parts do not fit: %s: %d and %d", what, a, b))
		}
	}
	u := p.unet.Config
	differ("latent channels of vae and unet", p.vae.Config.Latent, u.In)
	differ("channels in and out of unet", u.In, u.Out)
	differ("widths of text_encoder and unet's text", p.text.Config.Width, u.ContextWidth)
	if n, limit := p.tokenizer.Length(), p.text.Config.Positions; n > limit {
		faults = append(faults, fmt.Errorf("the parts do not fit: the tokenizer gives %d tokens, text_encoder takes %d", n, limit))
	}
	if n, limit := p.tokenizer.Size(), p.text.Config.Vocabulary; n > limit {
		faults = append(faults, fmt.Errorf("the parts do not fit: the tokenizer has %d tokens, text_encoder %d", n, limit))
	}
	return errors.Join(faults...)
}

// UseVAE puts another VAE in place of the model's own, from a directory like its own one; nil goes back.
// Nothing changes when it does not fit.
func (p *Pipeline) UseVAE(files fs.FS) error {
	if files == nil {
		if p.vae != p.own {
			p.vae, p.encoder, p.vaeFiles, p.vaeDir = p.own, nil, p.files, "vae"
		}
		return nil
	}
	other, err := vae.Open(files, ".")
	if err != nil {
		return err
	}
	if other.Config.Latent != p.unet.Config.In || other.Config.Factor() != p.own.Config.Factor() {
		return fmt.Errorf("%w: it has %d channels and a factor of %d, want %d and %d", errUnfit,
			other.Config.Latent, other.Config.Factor(), p.unet.Config.In, p.own.Config.Factor())
	}
	p.vae, p.encoder, p.vaeFiles, p.vaeDir = other, nil, files, "."
	return nil
}

// errUnfit is a VAE that is whole and made for other models.
var errUnfit = errors.New("which does not fit the model")

// Schedulers lists what Request.Scheduler may name.
func (p *Pipeline) Schedulers() []string { return api.SchedulerNames }

// NativeSize is the picture's size in pixels that the model was trained for.
func (p *Pipeline) NativeSize() (width, height int) {
	side := p.unet.Config.SampleSize * p.vae.Config.Factor()
	return side, side
}

// scheduleFor follows diffusers. StableDiffusionPipeline sets steps_offset to 1 and clip_sample to false in
// the scheduler that it loads. Another class is made from that scheduler's configuration, where a field that
// the file left out takes the other class's own default.
func (p *Pipeline) scheduleFor(class string) scheduler.Config {
	c := p.schedule
	one, no := 1, false
	if class == c.Class || c.StepsOffset != nil {
		c.StepsOffset = &one
	}
	if class == c.Class || c.ClipSample != nil {
		c.ClipSample = &no
	}
	// Every Stable Diffusion checkpoint that comes with PNDM skips its Runge-Kutta steps, and diffusers'
	// inpainting insists on it: entered in the middle, as with an init image, they make no picture.
	c.SkipPRK = true
	return c
}
