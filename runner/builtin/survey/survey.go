// Package survey measures how often a scheduler makes the shipped model draw what it is asked to.
package survey

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/builtin/shapes"
)

// A Case is a scheduler with a sigma schedule, "" for the scheduler's own.
type Case struct{ Scheduler, Sigmas string }

func (c Case) String() string {
	if c.Sigmas == "" {
		return c.Scheduler
	}
	return c.Scheduler + " " + c.Sigmas
}

// Cases are all schedulers, each also with every sigma schedule it has.
func Cases() []Case {
	var all []Case
	for _, name := range api.SchedulerNames {
		all = append(all, Case{name, ""})
		for _, sigmas := range []string{"karras", "exponential", "beta"} {
			if len((api.SchedulerOptions{SigmaSchedule: sigmas}).Faults(name)) == 0 {
				all = append(all, Case{name, sigmas})
			}
		}
	}
	return all
}

// A Result counts what was right in the pictures of a case.
type Result struct {
	Case
	Spec              api.ImageSpec // of the last picture
	Pictures          int
	Backgrounds       int // with the right colour
	Figures           int // asked for
	Colors, Shapes    int // figures with the right one
	SecondsPerPicture float64
}

// Color is the share of figures with the right colour.
func (r Result) Color() float64 { return float64(r.Colors) / float64(max(r.Figures, 1)) }

// Shape is the share of figures with the right shape.
func (r Result) Shape() float64 { return float64(r.Shapes) / float64(max(r.Figures, 1)) }

// A Surveyor has a runtime of its own, so that several can work at once.
type Surveyor struct {
	runtime *builtin.Runtime
	model   api.Model
}

// New loads the shipped model.
func New(ctx context.Context) (*Surveyor, error) {
	rt, err := builtin.New(builtin.Options{})
	if err != nil {
		return nil, err
	}
	info, err := rt.Describe()
	if err != nil {
		return nil, err
	}
	return &Surveyor{rt, info.Models[0]}, rt.Load(ctx, info.Models[0].Name)
}

// Run draws n scenes that training never saw, with the defaults that the model has for the scheduler.
func (s *Surveyor) Run(ctx context.Context, c Case, n int) (Result, error) {
	r := Result{Case: c, Pictures: n}
	for i, scene := range shapes.HeldOutScenes(n, 1) {
		request := api.JobRequest{
			Prompt: scene.Caption, Scheduler: c.Scheduler, SchedulerOptions: api.SchedulerOptions{SigmaSchedule: c.Sigmas},
		}
		var inputs picture.Inputs
		if c.Scheduler == api.InversionScheduler {
			init, err := s.draw(ctx, api.JobRequest{Prompt: scene.Caption}, int64(i), inputs)
			if err != nil {
				return r, err
			}
			// The picture's own caption on both sides: the inversion has to find its way back.
			request.NegativePrompt, inputs.Init = scene.Caption, flat(init.picture)
		}
		made, err := s.draw(ctx, request, int64(i), inputs)
		if err != nil {
			return r, fmt.Errorf("%s: %w", c, err)
		}
		r.add(scene, made)
	}
	r.SecondsPerPicture /= float64(max(n, 1))
	return r, nil
}

func (r *Result) add(scene shapes.Scene, d drawn) {
	v := shapes.Judge(scene, d.picture)
	r.Spec = d.spec
	r.Figures += v.Figures
	r.Colors += v.Colors
	r.Shapes += v.Shapes
	r.SecondsPerPicture += d.took.Seconds()
	if v.Background {
		r.Backgrounds++
	}
}

type drawn struct {
	spec    api.ImageSpec
	picture image.Image
	took    time.Duration
}

func (s *Surveyor) draw(ctx context.Context, request api.JobRequest, seed int64, inputs picture.Inputs) (drawn, error) {
	request.Seed = &seed
	spec, faults := request.Spec(s.model, 0)
	if inputs.Init != nil { // in place of a file
		spec.InitImage, spec.Strength, faults = &api.Input{}, 1, nil
	}
	if err := api.Invalid(faults); err != nil {
		return drawn{}, err
	}
	d, started := drawn{spec: spec}, time.Now()
	_, err := s.runtime.Generate(ctx, spec, inputs, runner.Sink{
		Progress: func(api.Progress) {},
		Preview:  func(int, int, image.Image) {},
		Image:    func(f runner.Finished) error { d.picture = f.Picture; return nil },
	})
	d.took = time.Since(started)
	return d, err
}

func flat(picture image.Image) *image.NRGBA {
	out := image.NewNRGBA(picture.Bounds())
	draw.Draw(out, out.Rect, picture, picture.Bounds().Min, draw.Src)
	return out
}
