package builtin

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
)

// Request asks for one picture.
type Request struct {
	Prompt, NegativePrompt string
	// Width and Height are in pixels: at least 64, at most 2048, multiples of 8 or of the VAE's factor if
	// that is larger.
	Width, Height int
	// Steps is the number of UNet calls, 1 to 1000.
	Steps int
	// GuidanceScale weighs the prompt against the negative prompt (Ho and Salimans 2022, arXiv:2207.12598).
	// At most 1 means without guidance: the negative prompt is not used, and a step takes half the time.
	GuidanceScale float64
	// Scheduler is "DDIMScheduler" or "EulerDiscreteScheduler".
	Scheduler string
	// Seed is in 0 to 2^32-1.
	Seed int64
	// PreviewEvery asks for a small picture at every so many steps; 0 for none.
	PreviewEvery int
	// Encoded is called when the text is encoded and the first step begins; may be nil.
	Encoded func()
}

// Step tells that a step is done.
type Step struct {
	// Step counts from 1 to Steps.
	Step, Steps int
	// Preview is a small picture of what the run is heading for, or nil.
	Preview image.Image
}

// Limits of a request.
const (
	minSide, maxSide = 64, 2048
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
	}
	if r.Seed < 0 || r.Seed > math.MaxUint32 {
		wrong("the seed %d is not in 0 to %d", r.Seed, uint32(math.MaxUint32))
	}
	if r.PreviewEvery < 0 {
		wrong("a preview every %d steps is not possible", r.PreviewEvery)
	}
	return errors.Join(faults...)
}
