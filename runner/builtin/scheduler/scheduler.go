// Package scheduler has the numerical methods that walk from noise to a picture, as diffusers defines them.
//
//	scheduler                         calls for N steps    fresh noise      paper (arXiv)
//	DDPMScheduler                     N                    every step       2006.11239
//	DDIMScheduler                     N                    with eta         2010.02502
//	PNDMScheduler                     N+9, or N+1 (PRK off) no              2202.09778
//	LMSDiscreteScheduler              N                    no               2206.00364
//	EulerDiscreteScheduler            N                    no               2206.00364
//	EulerAncestralDiscreteScheduler   N                    every step       2011.13456
//	DPMSolverMultistepScheduler       N                    with sde-        2206.00927, 2211.01095
//	HeunDiscreteScheduler             2N-1                 no               2206.00364
//	KDPM2DiscreteScheduler            2N-1                 no               2206.00927
//	DPMSolverSinglestepScheduler      N                    with sde-        2206.00927, 2211.01095
//	KDPM2AncestralDiscreteScheduler   2N-1                 every step       2206.00927, 2011.13456
//	UniPCMultistepScheduler           N                    no               2302.04867
//	DDIMInverseScheduler              N, picture to noise  no               2010.02502
//	DEISMultistepScheduler            N                    no               2204.13902
//	IPNDMScheduler                    N                    no               2202.09778, 2204.13902
//	KarrasVeScheduler                 2N-1                 every step       2206.00364
//	ScoreSdeVeScheduler               2N                   every call       2011.13456
//	LCMScheduler                      N, 4 to 8            all but the last 2310.04378
//
// api.SchedulerOptions.Faults has which options each takes. A walk agrees with diffusers to about 1e-6
// a call. Where diffusers fails or gives no number, as for a thousand steps with an offset, the walk here is
// made finite, and a comment there states it.
package scheduler

import (
	"fmt"
	"strings"

	"github.com/easelgrid/easel/api"
)

// Scheduler is one walk of a fixed number of model calls. The value holds what a multistep method remembers,
// so that it serves one walk: call 0, 1, 2 and so on, or the same from a later call on, for img2img.
type Scheduler interface {
	// InitSigma is what fresh noise is multiplied by when the walk starts at call 0.
	InitSigma() float32
	// Timesteps are what the model is given, one per call. They may be fractional. A method that calls the
	// model more than once in a step has more of them than steps.
	Timesteps() []float32
	// Order is the number of calls to a step as diffusers counts it, by which img2img skips.
	Order() int
	// Scale writes to dst what the model sees of the sample, once before each step. A method with churn adds its
	// noise to the sample here.
	Scale(dst, sample []float32, call int)
	// Step turns the sample at a call into that of the next one, in place, given the model's output, and
	// writes the picture that the output promises, x0, to original.
	Step(sample, output, original []float32, call int)
	// AddNoise writes to dst the picture with as much noise as the sample has when the call begins. With call
	// equal to the number of calls, that is the picture itself. The noise is standard normal.
	AddNoise(dst, original, noise []float32, call int)
}

// Random gives the fresh noise of stochastic methods, in the order in which diffusers draws it.
type Random interface {
	// Normal fills dst with standard normal numbers.
	Normal(dst []float32)
}

// New makes the method of that name for a number of steps, at least 1 and at most the model's number of
// training timesteps. Random may be nil for methods that draw nothing.
func New(name string, c Config, o api.SchedulerOptions, steps int, random Random) (Scheduler, error) {
	if steps < 1 || steps > c.TrainTimesteps {
		return nil, fmt.Errorf("%d steps are not in 1 to %d", steps, c.TrainTimesteps)
	}
	k, ok := classes[name]
	if !ok {
		return nil, fmt.Errorf("the scheduler %q is not implemented (%s are)", name, strings.Join(api.SchedulerNames, ", "))
	}
	if faults := o.Faults(name); len(faults) > 0 {
		return nil, api.Invalid(faults)
	}
	return k.make(resolve(name, k, c, o), steps, random), nil
}

// Start returns the call at which img2img with that strength enters the walk, as diffusers' get_timesteps
// does: int(steps*strength) steps remain. With none left it is the number of calls.
func Start(s Scheduler, steps int, strength float64) int {
	left := min(int(float64(steps)*strength), steps)
	return min((steps-left)*s.Order(), len(s.Timesteps()))
}
