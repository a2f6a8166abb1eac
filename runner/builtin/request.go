package builtin

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"github.com/easelgrid/easel/api"
)

// Request asks for one picture.
type Request struct {
	Prompt, NegativePrompt string
	// Width and Height are in pixels: at least 64, at most 4096, multiples of 8 or of the VAE's factor if
	// that is larger.
	Width, Height int
	// Steps is the number of UNet calls, 1 to 1000.
	Steps int
	// GuidanceScale weighs the prompt against the negative prompt (Ho and Salimans 2022, arXiv:2207.12598).
	// At most 1 means without guidance: the negative prompt is not used, and a step takes half the time.
	GuidanceScale float64
	// Scheduler is one of api.SchedulerNames.
	Scheduler        string
	SchedulerOptions api.SchedulerOptions
	// ClipSkip leaves out that many of the text encoder's last layers.
	ClipSkip int
	// Init is what the picture is made from, of Width and Height; nil to begin with noise alone. Mask, of
	// the same size, is white where it is painted anew; nil for everywhere. The pixels outside of it are
	// near those of Init, not equal: they have gone through the VAE.
	Init *image.NRGBA
	Mask *image.Gray
	// Strength is how much of Init is given up, more than 0 and at most 1: int(Steps*Strength) steps are made.
	Strength float64
	// Inversion walks Init back to the noise it comes from and makes the picture from that.
	Inversion bool
	// TokenMerging is the share of tokens merged in self-attention, 0 to 0.75.
	TokenMerging float64
	// Seed is in 0 to 2^32-1.
	Seed int64
	// PreviewEvery asks for a small picture at every so many steps; 0 for none.
	PreviewEvery int
	// Encoded is called when the text is encoded and the first step begins; may be nil.
	Encoded func()
}

// Step is a step that is done.
type Step struct {
	// Step counts from 1 to Steps.
	Step, Steps int
	// Preview is a small picture of what the run is heading for, or nil.
	Preview image.Image
}

// Limits of a request.
const (
	minSide, maxSide = 64, 4096
	maxSteps         = 1000
	maxGuidance      = 1000
)

// check lists every fault of the request.
func (p *Pipeline) check(r Request) error {
	var faults []error
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	multiple := max(8, p.vae.Config.Factor())
	for _, side := range []struct {
		name string
		size int
	}{{"width", r.Width}, {"height", r.Height}} {
		if side.size < minSide || side.size > maxSide || side.size%multiple != 0 {
			wrong("the %s %d is not a multiple of %d in %d to %d", side.name, side.size, multiple, minSide, maxSide)
		}
	}
	if limit := min(maxSteps, p.schedule.TrainTimesteps); r.Steps < 1 || r.Steps > limit {
		wrong("%d steps are not in 1 to %d", r.Steps, limit)
	}
	if !(math.Abs(r.GuidanceScale) <= maxGuidance) {
		wrong("the guidance scale %g is not in %d to %d", r.GuidanceScale, -maxGuidance, maxGuidance)
	}
	if !slices.Contains(p.Schedulers(), r.Scheduler) {
		wrong("the scheduler %q is not one of %s", r.Scheduler, strings.Join(p.Schedulers(), ", "))
	} else if err := api.Invalid(r.SchedulerOptions.Faults(r.Scheduler)); err != nil {
		faults = append(faults, err)
	}
	if r.ClipSkip < 0 || r.ClipSkip > p.text.Config.Layers {
		wrong("clip skip %d is not in 0 to %d, the layers of the text encoder", r.ClipSkip, p.text.Config.Layers)
	}
	if !(r.TokenMerging >= 0 && r.TokenMerging <= api.MaxTokenMerging) {
		wrong("token merging %g is not in 0 to %g", r.TokenMerging, api.MaxTokenMerging)
	}
	faults = append(faults, r.checkInit()...)
	if r.Seed < 0 || r.Seed > math.MaxUint32 {
		wrong("the seed %d is not in 0 to %d", r.Seed, uint32(math.MaxUint32))
	}
	if r.PreviewEvery < 0 {
		wrong("a preview every %d steps is not possible", r.PreviewEvery)
	}
	return errors.Join(faults...)
}

// checkInit lists the faults of the init image and of what belongs to it.
func (r Request) checkInit() []error {
	var faults []error
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if r.Inversion != (r.Scheduler == api.InversionScheduler) {
		wrong("%s is for inversion, and only that", api.InversionScheduler)
	}
	if r.Init == nil {
		if r.Mask != nil || r.Inversion {
			wrong("a mask and an inversion need an init image")
		}
		return faults
	}
	size := image.Rect(0, 0, r.Width, r.Height)
	if r.Init.Rect != size || r.Mask != nil && r.Mask.Rect != size {
		wrong("the init image and the mask are not of %d x %d", r.Width, r.Height)
	}
	if r.Mask != nil && r.Inversion {
		wrong("an inversion takes no mask")
	}
	if !(r.Strength > 0 && r.Strength <= 1) || r.Steps >= 1 && r.steps() < 1 {
		wrong("the strength %g leaves no step of %d", r.Strength, r.Steps)
	}
	return faults
}
