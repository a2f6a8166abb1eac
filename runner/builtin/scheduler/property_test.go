package scheduler

import (
	"fmt"
	"math"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/noise"
	"pgregory.net/rapid"
)

// options draws any options, and takes those away that the scheduler has no use for.
func options(t *rapid.T, name string) api.SchedulerOptions {
	pick := func(label string, values ...string) string {
		return rapid.SampledFrom(append(values, "")).Draw(t, label)
	}
	o := api.SchedulerOptions{
		SigmaSchedule:  pick("sigma_schedule", "normal", "karras", "exponential", "beta"),
		Spacing:        pick("timestep_spacing", "leading", "linspace", "trailing"),
		Algorithm:      pick("algorithm_type", "dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"),
		SolverType:     pick("solver_type", "midpoint", "heun", "bh1", "bh2", "logrho"),
		SolverOrder:    rapid.IntRange(0, 3).Draw(t, "solver_order"),
		RescaleZeroSNR: rapid.Bool().Draw(t, "rescale_betas_zero_snr"),
	}
	if rapid.Bool().Draw(t, "has eta") {
		eta := rapid.Float64Range(0, 1).Draw(t, "eta")
		o.Eta = &eta
	}
	for _, f := range o.Faults(name) {
		switch f.Field {
		case "scheduler_options.sigma_schedule":
			o.SigmaSchedule = ""
		case "scheduler_options.timestep_spacing":
			o.Spacing = ""
		case "scheduler_options.algorithm_type":
			o.Algorithm = ""
		case "scheduler_options.solver_type":
			o.SolverType = ""
		case "scheduler_options.solver_order":
			o.SolverOrder = 0
		case "scheduler_options.eta":
			o.Eta = nil
		case "scheduler_options.rescale_betas_zero_snr":
			o.RescaleZeroSNR = false
		}
	}
	return o
}

// configurations that models have: Stable Diffusion 1 and 2, an empty file, and one with few timesteps.
var configurations = []string{
	`{"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": false, "set_alpha_to_one": false, "steps_offset": 1, "timestep_spacing": "leading"}`,
	`{"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "v_prediction", "skip_prk_steps": true}`,
	`{}`,
	`{"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample", "predict_x0": false, "lower_order_final": false}`,
	`{"num_train_timesteps": 9, "final_sigmas_type": "sigma_min"}`,
}

func TestEveryAcceptedWalkIsFinite(t *testing.T) {
	for _, name := range api.SchedulerNames {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				o := options(t, name)
				c, err := read(rapid.SampledFrom(configurations).Draw(t, "config"))
				if err != nil {
					t.Fatal(err)
				}
				steps := rapid.OneOf(rapid.IntRange(1, 30), rapid.IntRange(1, 1000)).Draw(t, "steps")
				steps = min(steps, c.TrainTimesteps)
				s, err := New(name, c, o, steps, noise.New(1))
				if err != nil {
					t.Fatal(err)
				}
				strength := rapid.Float64Range(0, 1).Draw(t, "strength")
				if err := finite(s, c.TrainTimesteps, Start(s, steps, strength)); err != nil {
					t.Fatalf("%d steps with %+v: %v", steps, o, err)
				}
			})
		})
	}
}

// finite walks from a call on with a model that is bounded.
func finite(s Scheduler, train, start int) error {
	sample, seen, original := line(-2, 2), make([]float32, size), make([]float32, size)
	s.AddNoise(sample, line(-1, 1), line(2, -2), start)
	times := s.Timesteps()
	for call := start; call < len(times); call++ {
		if !(times[call] >= 0 && times[call] <= float32(train-1)) {
			return fmt.Errorf("call %d is at timestep %g", call, times[call])
		}
		s.Scale(seen, sample, call)
		for i, x := range seen {
			seen[i] = float32(math.Sin(float64(x)))
		}
		s.Step(sample, seen, original, call)
		for i := range sample {
			if x := float64(sample[i]) + float64(original[i]); math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Errorf("call %d of %d gives %g and promises %g", call, len(times), sample[i], original[i])
			}
		}
	}
	return nil
}

func TestTheLastLevelIsThePicture(t *testing.T) {
	for _, name := range api.SchedulerNames {
		if name == DDIMInverse {
			continue // its walk ends in noise
		}
		t.Run(name, func(t *testing.T) {
			c, _ := read(configurations[0])
			s, err := New(name, c, api.SchedulerOptions{}, 5, noise.New(1))
			if err != nil {
				t.Fatal(err)
			}
			got, want := make([]float32, size), line(-1, 1)
			s.AddNoise(got, want, line(2, -2), len(s.Timesteps()))
			for i, w := range want {
				if got[i] != w {
					t.Errorf("number %d is %g, want %g", i, got[i], w)
				}
			}
		})
	}
}

func TestImg2imgStartsWhereDiffusersDoes(t *testing.T) {
	for _, c := range []struct {
		name            string
		steps           int
		strength        float64
		start, calls    int
		skipRungeKuttas bool
	}{
		{DDIM, 20, 0.6, 8, 20, false},
		{DDIM, 20, 1, 0, 20, false},
		{DDIM, 20, 0.99, 1, 20, false},
		{DDIM, 20, 0.04, 20, 20, false},
		{Heun, 20, 0.5, 20, 39, false},
		{KDPM2, 20, 0.04, 39, 39, false},
		{KarrasVe, 10, 0.3, 14, 19, false},
		{ScoreSdeVe, 10, 0.3, 14, 20, false},
		{PNDM, 10, 0.5, 5, 11, true},
		{PNDM, 10, 0.5, 5, 19, false},
	} {
		t.Run(fmt.Sprintf("%s %g", c.name, c.strength), func(t *testing.T) {
			config, _ := read(`{}`)
			config.SkipPRK = c.skipRungeKuttas
			s, err := New(c.name, config, api.SchedulerOptions{}, c.steps, noise.New(1))
			if err != nil {
				t.Fatal(err)
			}
			if start, calls := Start(s, c.steps, c.strength), len(s.Timesteps()); start != c.start || calls != c.calls {
				t.Errorf("it starts at call %d of %d, want %d of %d", start, calls, c.start, c.calls)
			}
		})
	}
}

// Inversion followed by DDIM gives the picture back where the model's noise is the same everywhere.
func TestInversionIsUndoneByDDIM(t *testing.T) {
	c, _ := read(configurations[0])
	const steps = 50
	inverse, err := New(DDIMInverse, c, api.SchedulerOptions{}, steps, nil)
	if err != nil {
		t.Fatal(err)
	}
	forward, err := New(DDIM, c, api.SchedulerOptions{}, steps, nil)
	if err != nil {
		t.Fatal(err)
	}
	sample, original := line(-1, 1), make([]float32, size)
	for _, s := range []Scheduler{inverse, forward} {
		for call := range steps {
			s.Step(sample, line(0.5, -0.3), original, call)
		}
	}
	if e := relativeError(sample, line(-1, 1)); e > 1e-4 {
		t.Errorf("the picture comes back with a relative error of %.2g", e)
	}
}

func TestStepsAllocateNothingAfterTheFirst(t *testing.T) {
	for _, name := range api.SchedulerNames {
		t.Run(name, func(t *testing.T) {
			c, _ := read(configurations[0])
			o := api.SchedulerOptions{}
			if name == DPMMultistep {
				o.Algorithm, o.SolverOrder = "sde-dpmsolver++", 3
			}
			s, err := New(name, c, o, 50, noise.New(1))
			if err != nil {
				t.Fatal(err)
			}
			sample, seen, original := line(-2, 2), make([]float32, size), make([]float32, size)
			call := 0
			step := func() {
				s.Scale(seen, sample, call)
				s.Step(sample, seen, original, call)
				call++
			}
			for range 4 {
				step() // fills the history
			}
			if n := testing.AllocsPerRun(20, step); n != 0 {
				t.Errorf("%g allocations a call", n)
			}
		})
	}
}
