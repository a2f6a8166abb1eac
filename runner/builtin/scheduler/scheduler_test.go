package scheduler

import (
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/noise"
)

func parse(t testing.TB, text string) (Config, error) {
	t.Helper()
	return read(text)
}

func read(text string) (Config, error) {
	return ReadConfig(fstest.MapFS{"scheduler_config.json": {Data: []byte(text)}}, "scheduler_config.json")
}

func near(a, b float32) bool {
	return math.Abs(float64(a-b)) <= 2e-5*math.Max(1, math.Abs(float64(b)))
}

func TestEveryNumberOfStepsStaysInTheTable(t *testing.T) {
	for _, class := range []string{DDIM, Euler} {
		for _, spacing := range []string{"leading", "linspace", "trailing"} {
			t.Run(class+" "+spacing, func(t *testing.T) {
				c, err := parse(t, `{"steps_offset": 1, "timestep_spacing": "`+spacing+`"}`)
				if err != nil {
					t.Fatal(err)
				}
				for steps := 1; steps <= 1000; steps++ {
					s, err := New(class, c, api.SchedulerOptions{}, steps, nil)
					if err != nil {
						t.Fatal(err)
					}
					for _, at := range s.Timesteps() {
						if at < 0 || at > 999 {
							t.Fatalf("with %d steps one is at %g", steps, at)
						}
					}
				}
			})
		}
	}
}

func TestBadConfigurationsAreNamed(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"schedule", `{"beta_schedule": "sigmoid"}`, `beta_schedule is "sigmoid"`},
		{"prediction", `{"prediction_type": "flow"}`, `prediction_type is "flow"`},
		{"two schedules", `{"use_karras_sigmas": true, "use_beta_sigmas": true}`, "use_beta_sigmas is true: only one"},
		{"betas", `{"trained_betas": [0.1]}`, "trained_betas is [0.1]: it must have 1000 entries"},
		{"beta among them", `{"trained_betas": [2], "num_train_timesteps": 1}`, "its entries must lie between 0 and 1"},
		{"order", `{"solver_order": 4}`, "solver_order is 4"},
		{"flow", `{"use_flow_sigmas": true}`, "use_flow_sigmas is true"},
		{"variance", `{"variance_type": "learned_range"}`, "variance_type is \"learned_range\""},
		{"levels", `{"sigma_min": 3, "sigma_max": 2}`, "sigma_min is 3"},
		{"clipping", `{"clip_sample_range": 0}`, "clip_sample_range is 0"},
		{"scaling", `{"timestep_scaling": -1}`, "timestep_scaling is -1"},
		{"beta", `{"beta_start": 2}`, "beta_start is 2"},
		{"kind", `{"num_train_timesteps": "many"}`, "num_train_timesteps is \"many\": it must be a whole number"},
		{"none", `{"num_train_timesteps": 0}`, "num_train_timesteps is 0"},
		{"two faults", `{"beta_end": 0, "thresholding": true}`, "thresholding is true"},
		{"not JSON", `{`, "scheduler_config.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := New("NoScheduler", Config{TrainTimesteps: 10}, api.SchedulerOptions{}, 5, nil); err == nil {
		t.Error("an unknown scheduler was taken")
	}
	if _, err := New(DDIM, Config{TrainTimesteps: 10}, api.SchedulerOptions{}, 11, nil); err == nil {
		t.Error("more steps than timesteps were taken")
	}
}

// Every class of diffusers writes its own fields, and -Infinity where a bound is none.
func TestFilesOfEveryClassAreRead(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"DPM-Solver", `{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity, "variance_type": null, "use_lu_lambdas": false, "solver_order": 2}`},
		{"UniPC", `{"_class_name": "UniPCMultistepScheduler", "disable_corrector": [], "solver_p": null, "shift_terminal": null, "sigma_max": null}`},
		{"DEIS", `{"_class_name": "DEISMultistepScheduler", "algorithm_type": "deis", "solver_type": "logrho", "use_karras_sigmas": true}`},
		{"Karras", `{"_class_name": "KarrasVeScheduler", "sigma_min": 0.02, "sigma_max": 100, "s_churn": 80}`},
		{"LCM", `{"_class_name": "LCMScheduler", "original_inference_steps": 50, "timestep_scaling": 10.0}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := parse(t, c.text)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range api.SchedulerNames {
				s, err := New(name, config, api.SchedulerOptions{}, 4, noise.New(1))
				if err != nil {
					t.Fatal(err)
				}
				if err := finite(s, config.TrainTimesteps, 0); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}
