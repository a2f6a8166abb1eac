package main

import (
	"fmt"
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
}

func (f *imageFlags) register(set *pflag.FlagSet) {
	f.set = set
	set.StringVar(&f.request.Prompt, "prompt", "", "what the picture shows (required)")
	set.StringVar(&f.request.NegativePrompt, "negative", "", "what it must not show")
	set.StringVar(&f.request.Model, "model", "", "name of the model (the default one)")
	set.StringVar(&f.request.Scheduler, "scheduler", "", "DDIMScheduler, EulerDiscreteScheduler, ...")
	set.IntVar(&f.steps, "steps", 0, "denoising steps (the model's default)")
	set.Float64Var(&f.guidance, "guidance", 0, "guidance scale (the model's default)")
	set.Int64Var(&f.seed, "seed", 0, "seed of the first image; image i uses seed+i (random)")
	set.IntVar(&f.width, "width", 0, "pixels, a multiple of 8 (the model's default)")
	set.IntVar(&f.height, "height", 0, "pixels, a multiple of 8 (the model's default)")
	set.IntVar(&f.n, "n", 1, "number of images")
	set.StringArrayVar(&f.loras, "lora", nil, "`NAME:WEIGHT`, weight from 0 to 1; may be repeated")
	set.StringVarP(&f.output, "output", "o", "easel.png", "file to write; with --n, NAME-1.png, NAME-2.png, ...")
	set.BoolVar(&f.printJSON, "json", false, "print the result as JSON")
}

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
	if strings.ToLower(filepath.Ext(f.output)) != ".png" {
		return api.JobRequest{}, usageError{fmt.Errorf("--output: got %s, want a name that ends in .png", api.Quote(f.output))}
	}
	return r, nil
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
