package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/builtin/matrix"
	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/textencoder"
	"github.com/easelgrid/easel/runner/builtin/unet"
	"github.com/easelgrid/easel/runner/builtin/vae"
)

// shape is a product of M x K and K x N.
type shape [3]int

func (s shape) String() string { return fmt.Sprintf("%dx%dx%d", s[0], s[1], s[2]) }

// shapes are the products that take the most time: convolutions of the UNet at its three levels and of the VAE, and a
// feed-forward layer.
var shapes = []shape{{512, 576, 64}, {128, 864, 96}, {32, 864, 96}, {16384, 144, 16}, {128, 96, 768}}

// round is what a process answers: seconds by measure.
type round map[string]float64

// engine is the Go half: one process, one number of threads.
type engine struct {
	ctx     context.Context
	whole   *builtin.Pipeline
	unet    *unet.Model
	vae     *vae.Decoder
	arena   nn.Arena
	latents nn.Tensor
	text    nn.Tensor
}

// measureEngine answers each line of input with a round. The first line of output is what does not change.
func measureEngine(ctx context.Context, implementation string) error {
	if err := matrix.Select(implementation); err != nil {
		return err
	}
	e := &engine{ctx: ctx}
	var err error
	if e.whole, err = builtin.Open(builtin.Shipped()); err != nil {
		return err
	}
	if err := e.picture(); err != nil {
		return err
	}
	about := about{Resident: resident(os.Getpid())}
	if about.Weights, about.Activations, err = e.open(); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(about); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		r, err := e.round()
		if err != nil {
			return err
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func random(n, h, w, c int) nn.Tensor {
	r := rand.New(rand.NewPCG(1, 2))
	t := nn.Tensor{Data: make([]float32, n*h*w*c), N: n, H: h, W: w, C: c}
	for i := range t.Data {
		t.Data[i] = float32(r.NormFloat64())
	}
	return t
}

// open loads the parts once more for the measures of their own, and counts bytes.
func (e *engine) open() (weights, activations int, err error) {
	if e.unet, err = unet.Open(builtin.Shipped(), "unet"); err != nil {
		return 0, 0, err
	}
	if e.vae, err = vae.Open(builtin.Shipped(), "vae"); err != nil {
		return 0, 0, err
	}
	text, err := textencoder.Open(builtin.Shipped(), "text_encoder")
	if err != nil {
		return 0, 0, err
	}
	e.latents, e.text = random(2, 16, 16, e.unet.Config.In), random(2, 1, 77, e.unet.Config.ContextWidth)
	for range 2 { // the second finds its memory in one piece
		if err := e.step(); err != nil {
			return 0, 0, err
		}
		if err := e.decode(); err != nil {
			return 0, 0, err
		}
	}
	return 4 * (e.unet.Kept() + e.vae.Kept() + text.Kept()), 4 * e.arena.Held(), nil
}

func (e *engine) round() (round, error) {
	r := round{}
	for _, m := range []struct {
		name   string
		repeat int
		f      func() error
	}{{"picture", 1, e.picture}, {"step", 10, e.step}, {"decode", 5, e.decode}} {
		var err error
		if r[m.name], err = best(m.repeat, m.f); err != nil {
			return nil, err
		}
	}
	for _, s := range shapes {
		a, b := random(1, 1, s[0], s[1]), random(1, 1, s[1], s[2])
		c := matrix.Dense(make([]float32, s[0]*s[2]), s[0], s[2])
		left, right := matrix.Dense(a.Data, s[0], s[1]), matrix.New(matrix.Dense(b.Data, s[1], s[2]), false)
		r[s.String()], _ = best(30, func() error { matrix.Multiply(c, left, right, nil); return nil })
	}
	return r, nil
}

// best returns the least time of some calls, in seconds.
func best(repeat int, f func() error) (float64, error) {
	least := time.Duration(1<<63 - 1)
	for range repeat {
		start := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		least = min(least, time.Since(start))
	}
	return least.Seconds(), nil
}

func (e *engine) picture() error {
	_, err := e.whole.Generate(e.ctx, builtin.Request{
		Prompt: "a red circle on a blue background", Width: 128, Height: 128,
		Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler", Seed: 1,
	}, nil)
	return err
}

func (e *engine) step() error {
	e.arena.Release(nn.Mark{})
	_, err := e.unet.Forward(e.ctx, &e.arena, e.latents, 500, e.text)
	return err
}

func (e *engine) decode() error {
	e.arena.Release(nn.Mark{})
	one := e.latents
	one.N, one.Data = 1, one.Data[:len(one.Data)/2]
	_, err := e.vae.Decode(e.ctx, &e.arena, one)
	return err
}
