package fake

import (
	"context"
	"fmt"
	"image"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
)

// orders are the misbehaviours a prompt asks for; steps count from 1, 0 means never.
type orders struct {
	stepTime                  time.Duration
	crash, panics, hang, fail int
	ignoreCancel, oom         bool
	flag, noise               bool
}

func parseOrders(prompt string) (orders, error) {
	var o orders
	for _, word := range strings.Fields(prompt) {
		order, ok := strings.CutPrefix(word, "fake:")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(order, "=")
		var err error
		switch name {
		case "step":
			o.stepTime, err = time.ParseDuration(value)
		case "crash":
			o.crash, err = strconv.Atoi(value)
		case "panic":
			o.panics, err = strconv.Atoi(value)
		case "hang":
			o.hang, err = strconv.Atoi(value)
		case "fail":
			o.fail, err = strconv.Atoi(value)
		case "ignore-cancel":
			o.ignoreCancel = true
		case "oom":
			o.oom = true
		case "flag":
			o.flag = true
		case "noise":
			o.noise = true
		default:
			err = fmt.Errorf("unknown order")
		}
		if err != nil {
			return orders{}, api.Errorf(api.CodeInvalidRequest, "prompt: fake runtime: %s: %v", api.Quote(word), err)
		}
	}
	return o, nil
}

// sample pretends to denoise: it waits, obeys the orders and reports.
func (o orders) sample(ctx context.Context, index, steps int, picture image.Image, sink runner.Sink) error {
	if o.oom {
		return api.Errorf(api.CodeOutOfMemory, "out of memory: the fake device has none")
	}
	if o.ignoreCancel {
		ctx = context.WithoutCancel(ctx)
	}
	for step := 1; step <= steps; step++ {
		if err := o.misbehave(ctx, step); err != nil {
			return err
		}
		if err := wait(ctx, o.stepTime); err != nil {
			return err
		}
		sink.Progress(api.Progress{Phase: api.PhaseSampling, Image: index, Step: step, Steps: steps})
		sink.Preview(index, step, picture)
	}
	return nil
}

func (o orders) misbehave(ctx context.Context, step int) error {
	switch step {
	case o.crash:
		fmt.Fprintln(os.Stderr, "fake: ordered to crash")
		os.Exit(3)
	case o.panics:
		panic("fake: ordered to panic")
	case o.fail:
		return api.Errorf(api.CodeRuntimeFailed, "fake: ordered to fail")
	case o.hang:
		<-ctx.Done() // never, when cancel is ignored
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
