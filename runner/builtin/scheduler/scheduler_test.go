package scheduler

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/easelgrid/easel/api"
)

// row is one case of scripts/golden: what diffusers does with a configuration.
type row struct {
	Class     string          `json:"class"`
	Config    json.RawMessage `json:"config"`
	Steps     int             `json:"steps"`
	Init      float64         `json:"init"`
	Timesteps []float32       `json:"timesteps"`
	Samples   [][]float32     `json:"samples"`
}

func parse(t testing.TB, text string) (Config, error) {
	t.Helper()
	return ReadConfig(fstest.MapFS{"scheduler_config.json": {Data: []byte(text)}}, "scheduler_config.json")
}

func near(a, b float32) bool {
	return math.Abs(float64(a-b)) <= 2e-5*math.Max(1, math.Abs(float64(b)))
}

func TestWalksAreThoseOfDiffusers(t *testing.T) {
	data, err := os.ReadFile("../testdata/schedulers.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		t.Run(fmt.Sprintf("%d %s %s", i, r.Class, r.Config), func(t *testing.T) {
			c, err := parse(t, string(r.Config))
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(r.Class, c, api.SchedulerOptions{}, r.Steps, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !near(s.InitSigma(), float32(r.Init)) {
				t.Errorf("init sigma is %g, want %g", s.InitSigma(), r.Init)
			}
			for j, want := range r.Timesteps {
				if got := s.Timesteps()[j]; !near(got, want) {
					t.Errorf("timestep %d is %g, want %g", j, got, want)
				}
			}
			compare(t, s, r.Samples)
		})
	}
}

// compare walks eight numbers with the stand-in that scripts/golden has for the UNet.
func compare(t *testing.T, s Scheduler, want [][]float32) {
	t.Helper()
	sample, seen, original := make([]float32, 8), make([]float32, 8), make([]float32, 8)
	for i := range sample {
		sample[i] = (-2 + 4*float32(i)/7) * s.InitSigma()
	}
	for step, states := range want {
		s.Scale(seen, sample, step)
		for i, x := range seen {
			seen[i] = float32(math.Cos(3 * float64(x)))
		}
		s.Step(sample, seen, original, step)
		for i, w := range states {
			if !near(sample[i], w) {
				t.Fatalf("after step %d, number %d is %g, want %g", step, i, sample[i], w)
			}
		}
	}
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
		{"schedule", `{"beta_schedule": "squaredcos_cap_v2"}`, `beta_schedule is "squaredcos_cap_v2"`},
		{"prediction", `{"prediction_type": "flow"}`, `prediction_type is "flow"`},
		{"karras", `{"use_karras_sigmas": true}`, "use_karras_sigmas is true"},
		{"betas", `{"trained_betas": [0.1]}`, "trained_betas is [0.1]"},
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
