package scheduler

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/noise"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// row is one walk of scripts/golden/schedulers.py: what diffusers does with a configuration and options.
type row struct {
	Class    string               `json:"class"`
	Config   json.RawMessage      `json:"config"`
	Options  api.SchedulerOptions `json:"options"`
	Steps    int                  `json:"steps"`
	Strength *float64             `json:"strength"`
	Init     float64              `json:"init"`
	Start    int                  `json:"start"`
	calls    []call
}

// call is what diffusers has after one call; NaN where it has none.
type call struct {
	time                     float32
	sample, original, noised []float32
}

// size is how many numbers are walked.
const size = 6

// tolerance is the largest relative error against diffusers: the L2 norm of the difference by that of the
// reference. Coefficients are float32 on both sides, so what remains is rounding, which the stand-in for the
// model amplifies.
const tolerance = 1e-4

func goldenRows(t *testing.T) []row {
	t.Helper()
	data, err := os.ReadFile("../testdata/schedulers.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Open(os.DirFS("../testdata"), "schedulers.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		tensor, ok := file.Tensor(fmt.Sprintf("%03d", i))
		if !ok {
			t.Fatalf("no walk %d", i)
		}
		matrix, err := tensor.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(matrix); at += 1 + 3*size {
			m := matrix[at : at+1+3*size]
			rows[i].calls = append(rows[i].calls, call{m[0], m[1 : 1+size], m[1+size : 1+2*size], m[1+2*size:]})
		}
	}
	return rows
}

// line is numpy's linspace of the numbers that are walked.
func line(start, end float32) []float32 { return linspace32(start, end, size) }

// standIn takes the model's place, there and here.
func standIn(dst []float32, time float32) {
	rest := float32(math.Cos(float64(time)/250) / 2)
	for i, x := range dst {
		dst[i] = 2*x/(1+x*x) + rest
	}
}

func relativeError(got, want []float32) float64 {
	var difference, norm float64
	for i, w := range want {
		difference += float64(got[i]-w) * float64(got[i]-w)
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(difference / norm)
}

func TestWalksAreThoseOfDiffusers(t *testing.T) {
	worst := map[string]float64{}
	for i, r := range goldenRows(t) {
		t.Run(fmt.Sprintf("%03d %s", i, r.Class), func(t *testing.T) {
			c, err := parse(t, string(r.Config))
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(r.Class, c, r.Options, r.Steps, noise.New(11))
			if err != nil {
				t.Fatal(err)
			}
			worst[r.Class] = max(worst[r.Class], r.follow(t, s))
			if t.Failed() {
				t.Logf("%d steps of %s with %+v", r.Steps, r.Config, r.Options)
			}
		})
	}
	for _, name := range api.SchedulerNames {
		t.Logf("%-32s largest relative error %.1e", name, worst[name])
	}
}

// follow compares every call, and returns the largest relative error.
func (r row) follow(t *testing.T, s Scheduler) (worst float64) {
	t.Helper()
	if !near(s.InitSigma(), float32(r.Init)) {
		t.Errorf("init sigma is %g, want %g", s.InitSigma(), r.Init)
	}
	if calls := r.Start + len(r.calls); len(s.Timesteps()) != calls {
		t.Fatalf("%d calls, want %d", len(s.Timesteps()), calls)
	}
	picture, fresh := line(-2, 2), line(1, -0.4)
	sample, seen, original, noised := make([]float32, size), make([]float32, size), make([]float32, size), make([]float32, size)
	for i, x := range picture {
		sample[i] = x * s.InitSigma()
	}
	if r.Strength != nil {
		start := Start(s, r.Steps, *r.Strength)
		if start != r.Start {
			t.Fatalf("the walk starts at call %d, want %d", start, r.Start)
		}
		s.AddNoise(sample, picture, fresh, start)
	}
	check := func(what string, at int, got, want []float32) {
		if slices.ContainsFunc(want, func(x float32) bool { return x != x }) {
			return
		}
		e := relativeError(got, want)
		worst = max(worst, e)
		if !(e <= tolerance) {
			t.Fatalf("%s at call %d: relative error %.2g\ngot  %v\nwant %v", what, at, e, got, want)
		}
	}
	for i, want := range r.calls {
		at := r.Start + i
		if got := s.Timesteps()[at]; !near(got, want.time) {
			t.Fatalf("timestep of call %d is %g, want %g", at, got, want.time)
		}
		s.AddNoise(noised, picture, fresh, at)
		check("a picture with noise", at, noised, want.noised)
		s.Scale(seen, sample, at)
		standIn(seen, s.Timesteps()[at])
		s.Step(sample, seen, original, at)
		check("the sample", at, sample, want.sample)
		check("the promise", at, original, want.original)
	}
	return worst
}
