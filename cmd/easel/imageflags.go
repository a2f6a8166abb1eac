package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/easelgrid/easel/api"
)

// imageFlags are the flags of render and generate: what to make and where to put it.
type imageFlags struct {
	set       *pflag.FlagSet
	request   api.JobRequest
	width     int
	height    int
	steps     int
	guidance  float64
	seed      int64
	n         int
	loras     []string
	output    string
	printJSON bool

	outWidth     int
	outHeight    int
	clipSkip     int
	initFile     string
	maskFile     string
	strength     float64
	inversion    bool
	eta          float64
	tokenMerging float64
	quality      int
	transparent  bool
	safetyCheck  bool
}

func (f *imageFlags) register(set *pflag.FlagSet) {
	f.set = set
	set.StringVar(&f.request.Prompt, "prompt", "", "what the picture shows (required)")
	set.StringVar(&f.request.NegativePrompt, "negative", "", "what the picture must not show")
	set.StringVar(&f.request.Model, "model", "", "name of the model (default: the coordinator's or runtime's)")
	set.StringVar(&f.request.Scheduler, "scheduler", "", "scheduler: DDIMScheduler, EulerDiscreteScheduler, ... (docs/schedulers.md)")
	set.IntVar(&f.steps, "steps", 0, "denoising steps (default: the model's)")
	set.Float64Var(&f.guidance, "guidance", 0, "guidance scale (default: the model's)")
	set.Int64Var(&f.seed, "seed", 0, "seed of the first image; image i uses seed+i (default: random)")
	set.IntVar(&f.width, "width", 0, "in pixels, a multiple of 8 (default: the model's)")
	set.IntVar(&f.height, "height", 0, "in pixels, a multiple of 8 (default: the model's)")
	set.IntVar(&f.outWidth, "output-width", 0, "resize the finished picture to this many pixels; needs --output-height")
	set.IntVar(&f.outHeight, "output-height", 0, "resize the finished picture to this many pixels; needs --output-width")
	set.IntVar(&f.n, "n", 1, "number of images")
	set.StringArrayVar(&f.loras, "lora", nil, "`NAME:WEIGHT`, weight from -4 to 4; may be repeated")
	set.StringVarP(&f.output, "output", "o", "easel.png", "file to write, .png, .jpg or .webp; with --n, files are NAME-1.png, NAME-2.png, ...")
	set.BoolVar(&f.printJSON, "json", false, "print the result as JSON")

	set.StringVar(&f.initFile, "init", "", "`FILE` of a picture to start from (png, jpeg, webp)")
	set.StringVar(&f.maskFile, "mask", "", "`FILE` of a picture as large as --init, white where --init is repainted")
	set.Float64Var(&f.strength, "strength", 0, "how much of --init may change, more than 0, at most 1 (default 0.8; 1 with --mask or --inversion)")
	set.BoolVar(&f.inversion, "inversion", false, "turn --init back into noise, and make the picture from that noise")
	set.StringVar(&f.request.VAE, "vae", "", "name of a VAE to use in place of the model's own")
	set.IntVar(&f.clipSkip, "clip-skip", 0, "how many last layers of the text encoder to skip, 0 to 8")
	set.Float64Var(&f.tokenMerging, "token-merging", 0, "share of similar tokens to merge, 0 to 0.75: faster but less exact")
	set.IntVar(&f.quality, "quality", 0, "quality of .jpg and .webp, 1 to 100 (default 90)")
	set.BoolVar(&f.transparent, "transparent", false, "make the model's plain background transparent (.png, .webp)")
	set.BoolVar(&f.safetyCheck, "safety-check", false, "check pictures for unsafe content (default: where the model can)")
	set.Var((*word[api.SafetyAction])(&f.request.SafetyAction), "safety-action", "what to make of an unsafe picture: black, blur, pixelate or text")

	options := &f.request.SchedulerOptions
	set.StringVar(&options.SigmaSchedule, "sigmas", "", "sigma schedule: normal, karras, exponential or beta")
	set.StringVar(&options.Spacing, "spacing", "", "timestep spacing: leading, linspace or trailing")
	set.StringVar(&options.Algorithm, "algorithm", "", "algorithm type, such as sde-dpmsolver++")
	set.IntVar(&options.SolverOrder, "solver-order", 0, "order of a multistep solver, 1 to 3")
	set.StringVar(&options.SolverType, "solver-type", "", "solver type: midpoint, heun, bh1, bh2 or logrho")
	set.Float64Var(&f.eta, "eta", 0, "share of fresh noise in DDIM, 0 to 1")
	set.BoolVar(&options.RescaleZeroSNR, "zero-snr", false, "rescale the noise schedule so that it ends in pure noise")
}

// word is a flag of one of api's string types.
type word[T ~string] string

func (w *word[T]) String() string { return string(*w) }

func (w *word[T]) Set(text string) error { *w = word[T](text); return nil }

func (w *word[T]) Type() string { return "string" }

// build returns the request with exactly the fields that were given.
func (f *imageFlags) build() (api.JobRequest, error) {
	r := f.request
	for name, field := range map[string]func(){
		"width":    func() { r.Width = &f.width },
		"height":   func() { r.Height = &f.height },
		"steps":    func() { r.Steps = &f.steps },
		"guidance": func() { r.GuidanceScale = &f.guidance },
		"seed":     func() { r.Seed = &f.seed },
		"n":        func() { r.N = &f.n },

		"output-width":  func() { r.OutputWidth = &f.outWidth },
		"output-height": func() { r.OutputHeight = &f.outHeight },
		"strength":      func() { r.Strength = &f.strength },
		"clip-skip":     func() { r.ClipSkip = &f.clipSkip },
		"token-merging": func() { r.TokenMerging = &f.tokenMerging },
		"quality":       func() { r.Quality = &f.quality },
		"safety-check":  func() { r.SafetyCheck = &f.safetyCheck },
		"eta":           func() { r.SchedulerOptions.Eta = &f.eta },
	} {
		if f.set.Changed(name) {
			field()
		}
	}
	for _, text := range f.loras {
		l, err := parseLoRA(text)
		if err != nil {
			return api.JobRequest{}, usageError{err}
		}
		r.LoRAs = append(r.LoRAs, l)
	}
	format, ok := formats[strings.ToLower(filepath.Ext(f.output))]
	if !ok {
		return api.JobRequest{}, usageError{fmt.Errorf("--output: got %s, want a name that ends in .png, .jpg, .jpeg or .webp", api.Quote(f.output))}
	}
	r.Format = format
	if f.transparent {
		r.Background = api.BackgroundTransparent
	}
	if f.inversion {
		r.Mode = api.ModeInversion
	}
	var err error
	if r.InitImage, err = readInput("--init", f.initFile); err != nil {
		return api.JobRequest{}, err
	}
	if r.MaskImage, err = readInput("--mask", f.maskFile); err != nil {
		return api.JobRequest{}, err
	}
	return r, nil
}

// formats are those of output files, by extension.
var formats = map[string]api.Format{
	".png": api.FormatPNG, ".jpg": api.FormatJPEG, ".jpeg": api.FormatJPEG, ".webp": api.FormatWebP,
}

// readInput reads a picture, but not one that is too large to be sent.
func readInput(flag, path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	defer file.Close()
	body, err := io.ReadAll(io.LimitReader(file, api.MaxInputBytes+1))
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	if len(body) == 0 {
		return nil, usageError{fmt.Errorf("%s: %s is empty", flag, path)}
	}
	return body, nil
}

func parseLoRA(text string) (api.LoRA, error) {
	name, weight, found := strings.Cut(text, ":")
	if !found {
		return api.LoRA{Name: name, Weight: 1}, nil
	}
	w, err := strconv.ParseFloat(weight, 64)
	if err != nil {
		return api.LoRA{}, fmt.Errorf("--lora: got %s, want NAME:WEIGHT such as outline:0.8", api.Quote(text))
	}
	return api.LoRA{Name: name, Weight: w}, nil
}

// path is where image i of n goes.
func (f *imageFlags) path(i, n int) string {
	if n == 1 {
		return f.output
	}
	extension := filepath.Ext(f.output)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(f.output, extension), i+1, extension)
}
