package api

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSchedulerOptionsAreChecked(t *testing.T) {
	eta := func(x float64) *float64 { return &x }
	const euler, multistep = "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"
	for _, c := range []struct {
		name, scheduler string
		options         SchedulerOptions
		want            []Fault
	}{
		{"none", euler, SchedulerOptions{}, nil},
		{"karras", euler, SchedulerOptions{SigmaSchedule: "karras", Spacing: "trailing", RescaleZeroSNR: true}, nil},
		{"all of one", multistep, SchedulerOptions{SigmaSchedule: "beta", Algorithm: "sde-dpmsolver++", SolverOrder: 3, SolverType: "heun"}, nil},
		{"no such schedule", euler, SchedulerOptions{SigmaSchedule: "linear"}, []Fault{
			{"scheduler_options.sigma_schedule", `"linear"`, "one of normal, karras, exponential, beta"},
		}},
		{"every fault at once", "DDPMScheduler", SchedulerOptions{
			SigmaSchedule: "karras", Spacing: "even", Algorithm: "dpmsolver", SolverType: "bh1", SolverOrder: 2, Eta: eta(0.5),
		}, []Fault{
			{"scheduler_options.sigma_schedule", `"karras"`, "none: DDPMScheduler takes no sigma_schedule"},
			{"scheduler_options.timestep_spacing", `"even"`, "one of leading, linspace, trailing"},
			{"scheduler_options.algorithm_type", `"dpmsolver"`, "none: DDPMScheduler takes no algorithm_type"},
			{"scheduler_options.solver_type", `"bh1"`, "none: DDPMScheduler takes no solver_type"},
			{"scheduler_options.solver_order", "2", "none: DDPMScheduler takes no solver_order"},
			{"scheduler_options.eta", "0.5", "none: DDPMScheduler takes no eta"},
		}},
		{"inversion", "DDIMInverseScheduler", SchedulerOptions{Spacing: "linspace"}, []Fault{
			{"scheduler_options.timestep_spacing", `"linspace"`, "one of leading, trailing"},
		}},
		{"zero signal", "LMSDiscreteScheduler", SchedulerOptions{RescaleZeroSNR: true}, []Fault{
			{"scheduler_options.rescale_betas_zero_snr", "true", "none: LMSDiscreteScheduler takes no rescale_betas_zero_snr"},
		}},
		{"order", multistep, SchedulerOptions{SolverOrder: 4}, []Fault{{"scheduler_options.solver_order", "4", "1 to 3"}}},
		{"negative order", multistep, SchedulerOptions{SolverOrder: -1}, []Fault{{"scheduler_options.solver_order", "-1", "1 to 3"}}},
		{"order of the stochastic solver", multistep, SchedulerOptions{Algorithm: "sde-dpmsolver", SolverOrder: 3}, []Fault{
			{"scheduler_options.solver_order", "3", "1 to 2 with sde-dpmsolver"},
		}},
		{"two placements", multistep, SchedulerOptions{SigmaSchedule: "karras", Spacing: "trailing"}, []Fault{
			{"scheduler_options.timestep_spacing", `"trailing"`, "none: " + multistep + " takes no timestep_spacing with a sigma_schedule other than normal"},
		}},
		{"eta", "DDIMScheduler", SchedulerOptions{Eta: eta(1.5)}, []Fault{{"scheduler_options.eta", "1.5", "0 to 1"}}},
		{"eta is no number", "DDIMScheduler", SchedulerOptions{Eta: eta(math.NaN())}, []Fault{{"scheduler_options.eta", "NaN", "0 to 1"}}},
		{"eta of zero", "DDIMScheduler", SchedulerOptions{Eta: eta(0)}, nil},
		{"unknown scheduler", "TCDScheduler", SchedulerOptions{SigmaSchedule: "karras", Eta: eta(0.3), Algorithm: "dpm"}, []Fault{
			{"scheduler_options.algorithm_type", `"dpm"`, "one of dpmsolver++, sde-dpmsolver++, dpmsolver, sde-dpmsolver"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.options.Faults(c.scheduler)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTheTableHasEveryScheduler(t *testing.T) {
	if len(SchedulerNames) != 18 || len(schedulerUses) != 18 {
		t.Fatalf("%d names and %d rows", len(SchedulerNames), len(schedulerUses))
	}
	for name := range schedulerUses {
		if !slices.Contains(SchedulerNames, name) {
			t.Errorf("%s is not in the list", name)
		}
	}
}
