package api

import (
	"slices"
	"strconv"
	"strings"
)

// SchedulerOptions change how a scheduler walks. The zero value of each is the scheduler's own default
// with the model's configuration; one that the scheduler has no use for is a fault, never ignored.
type SchedulerOptions struct {
	SigmaSchedule  string   `json:"sigma_schedule,omitempty"`         // "normal", "karras", "exponential", "beta"
	Spacing        string   `json:"timestep_spacing,omitempty"`       // "leading", "linspace", "trailing"
	Algorithm      string   `json:"algorithm_type,omitempty"`         // "dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"
	SolverOrder    int      `json:"solver_order,omitempty"`           // 1 to 3
	SolverType     string   `json:"solver_type,omitempty"`            // "midpoint", "heun", "bh1", "bh2", "logrho"
	Eta            *float64 `json:"eta,omitempty"`                    // 0 to 1: the share of fresh noise
	RescaleZeroSNR bool     `json:"rescale_betas_zero_snr,omitempty"` // the last timestep is pure noise
}

// SchedulerNames are the schedulers that every runtime of ours means the same by, as diffusers spells
// them. A runtime may have fewer, or others.
var SchedulerNames = []string{
	"DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "LMSDiscreteScheduler", "EulerDiscreteScheduler",
	"EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler",
	"KDPM2DiscreteScheduler", "DPMSolverSinglestepScheduler", "KDPM2AncestralDiscreteScheduler",
	"UniPCMultistepScheduler", "DDIMInverseScheduler", "DEISMultistepScheduler", "IPNDMScheduler",
	"KarrasVeScheduler", "ScoreSdeVeScheduler", "LCMScheduler",
}

// schedulerUse lists the values that a scheduler takes for each option; none where it has no use for it.
type schedulerUse struct {
	sigmas, spacings, algorithms, solvers []string
	orders                                int  // the highest solver order, 0 for none
	eta                                   bool // whether it takes eta
	zeroSNR                               bool // whether it takes rescale_betas_zero_snr
	ownSpacing                            bool // whether a sigma schedule other than normal places the steps alone
}

// The values that there are at all.
var (
	sigmaSchedules = []string{"normal", "karras", "exponential", "beta"}
	spacings       = []string{"leading", "linspace", "trailing"}
	algorithms     = []string{"dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"}
	solverTypes    = []string{"midpoint", "heun", "bh1", "bh2", "logrho"}
)

// maxSolverOrder bounds solver_order for every scheduler.
const maxSolverOrder = 3

var schedulerUses = map[string]schedulerUse{
	"DDPMScheduler":                   {spacings: spacings, zeroSNR: true},
	"DDIMScheduler":                   {spacings: spacings, zeroSNR: true, eta: true},
	"PNDMScheduler":                   {spacings: spacings},
	"LMSDiscreteScheduler":            {sigmas: sigmaSchedules, spacings: spacings},
	"EulerDiscreteScheduler":          {sigmas: sigmaSchedules, spacings: spacings, zeroSNR: true},
	"EulerAncestralDiscreteScheduler": {spacings: spacings, zeroSNR: true},
	"DPMSolverMultistepScheduler": {
		sigmas: sigmaSchedules, spacings: spacings, algorithms: algorithms, solvers: []string{"midpoint", "heun"},
		orders: maxSolverOrder, zeroSNR: true, ownSpacing: true,
	},
	"HeunDiscreteScheduler":  {sigmas: sigmaSchedules, spacings: spacings},
	"KDPM2DiscreteScheduler": {sigmas: sigmaSchedules, spacings: spacings},
	"DPMSolverSinglestepScheduler": {
		sigmas: sigmaSchedules, algorithms: []string{"dpmsolver++", "sde-dpmsolver++", "dpmsolver"},
		solvers: []string{"midpoint", "heun"}, orders: maxSolverOrder,
	},
	"KDPM2AncestralDiscreteScheduler": {sigmas: sigmaSchedules, spacings: spacings},
	"UniPCMultistepScheduler": {
		sigmas: sigmaSchedules, spacings: spacings, solvers: []string{"bh1", "bh2"}, orders: maxSolverOrder,
		zeroSNR: true, ownSpacing: true,
	},
	"DDIMInverseScheduler": {spacings: []string{"leading", "trailing"}, zeroSNR: true},
	"DEISMultistepScheduler": {
		sigmas: sigmaSchedules, spacings: spacings, solvers: []string{"logrho"}, orders: maxSolverOrder, ownSpacing: true,
	},
	"IPNDMScheduler":      {sigmas: sigmaSchedules, spacings: spacings},
	"KarrasVeScheduler":   {},
	"ScoreSdeVeScheduler": {},
	"LCMScheduler":        {zeroSNR: true},
}

// Faults lists every option that the scheduler has no use for, and every value that is none. For a
// scheduler that is not in SchedulerNames only the values are looked at.
func (o SchedulerOptions) Faults(scheduler string) []Fault {
	use, known := schedulerUses[scheduler]
	if !known {
		use = schedulerUse{
			sigmas: sigmaSchedules, spacings: spacings, algorithms: algorithms, solvers: solverTypes,
			orders: maxSolverOrder, eta: true, zeroSNR: true,
		}
	}
	f := optionFaults{scheduler: scheduler}
	f.choice("sigma_schedule", o.SigmaSchedule, use.sigmas)
	f.choice("timestep_spacing", o.Spacing, use.spacings)
	f.choice("algorithm_type", o.Algorithm, use.algorithms)
	f.choice("solver_type", o.SolverType, use.solvers)
	if o.SolverOrder != 0 {
		f.order(o.SolverOrder, o.Algorithm, use)
	}
	if o.Eta != nil {
		if !use.eta {
			f.useless("eta", number(*o.Eta))
		} else if !(*o.Eta >= 0 && *o.Eta <= 1) {
			f.add("eta", number(*o.Eta), "0 to 1")
		}
	}
	if o.RescaleZeroSNR && !use.zeroSNR {
		f.useless("rescale_betas_zero_snr", "true")
	}
	if use.ownSpacing && o.Spacing != "" && o.SigmaSchedule != "" && o.SigmaSchedule != "normal" {
		f.add("timestep_spacing", Quote(o.Spacing), "none: "+scheduler+" takes no timestep_spacing with a sigma_schedule other than normal")
	}
	return f.faults
}

// optionFaults collects the faults of the options for one scheduler.
type optionFaults struct {
	scheduler string
	faults    []Fault
}

func (f *optionFaults) add(option, value, limit string) {
	f.faults = append(f.faults, Fault{"scheduler_options." + option, value, limit})
}

func (f *optionFaults) useless(option, value string) {
	f.add(option, value, "none: "+f.scheduler+" takes no "+option)
}

func (f *optionFaults) choice(option, value string, allowed []string) {
	switch {
	case value == "" || slices.Contains(allowed, value):
	case len(allowed) == 0:
		f.useless(option, Quote(value))
	default:
		f.add(option, Quote(value), "one of "+strings.Join(allowed, ", "))
	}
}

func (f *optionFaults) order(order int, algorithm string, use schedulerUse) {
	value := strconv.Itoa(order)
	switch {
	case use.orders == 0:
		f.useless("solver_order", value)
	case order < 1 || order > use.orders:
		f.add("solver_order", value, "1 to "+strconv.Itoa(use.orders))
	case order > 2 && algorithm == "sde-dpmsolver":
		f.add("solver_order", value, "1 to 2 with sde-dpmsolver")
	}
}
