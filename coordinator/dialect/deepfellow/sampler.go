package deepfellow

import (
	"maps"
	"slices"
	"strings"

	"github.com/easelgrid/easel/api"
)

// A sampler is what diffusers calls one of Stable Diffusion web UI's (diffusers' documentation has
// the table), with the options that make it so.
type sampler struct {
	scheduler string
	options   api.SchedulerOptions
}

var samplers = map[string]sampler{
	"Euler":        {scheduler: "EulerDiscreteScheduler"},
	"Euler a":      {scheduler: "EulerAncestralDiscreteScheduler"},
	"Heun":         {scheduler: "HeunDiscreteScheduler"},
	"LMS":          {scheduler: "LMSDiscreteScheduler"},
	"DPM2":         {scheduler: "KDPM2DiscreteScheduler"},
	"DPM2 a":       {scheduler: "KDPM2AncestralDiscreteScheduler"},
	"DPM++ 2M":     {scheduler: "DPMSolverMultistepScheduler"},
	"DPM++ 2M SDE": {"DPMSolverMultistepScheduler", api.SchedulerOptions{Algorithm: "sde-dpmsolver++"}},
	"DPM++ 3M SDE": {"DPMSolverMultistepScheduler", api.SchedulerOptions{Algorithm: "sde-dpmsolver++", SolverOrder: 3}},
	"DPM++ 2S a":   {scheduler: "DPMSolverSinglestepScheduler"},
	"DPM++ SDE":    {"DPMSolverSinglestepScheduler", api.SchedulerOptions{Algorithm: "sde-dpmsolver++"}},
	"DDIM":         {scheduler: "DDIMScheduler"},
	"PLMS":         {scheduler: "PNDMScheduler"},
	"UniPC":        {scheduler: "UniPCMultistepScheduler"},
	"LCM":          {scheduler: "LCMScheduler"},
}

// sigmas are the second words of a sampler's name.
var sigmas = map[string]string{" Karras": "karras", " Exponential": "exponential"}

// scheduler finds a sampler by its name, such as "DPM++ 2M Karras".
func scheduler(name string) (string, api.SchedulerOptions, bool) {
	schedule := ""
	for word, sigma := range sigmas {
		if plain, ok := strings.CutSuffix(name, word); ok {
			name, schedule = plain, sigma
		}
	}
	s, ok := samplers[name]
	s.options.SigmaSchedule = schedule
	return s.scheduler, s.options, ok && len(s.options.Faults(s.scheduler)) == 0
}

func samplerNames() string {
	return strings.Join(slices.Sorted(maps.Keys(samplers)), ", ") + ", each with Karras or Exponential behind it where it takes one"
}
