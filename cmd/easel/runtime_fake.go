package main

import (
	"github.com/spf13/pflag"

	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/fake"
)

func fakeFlags(own *pflag.FlagSet) starter {
	stepTime := own.Duration("fake-step-time", 0, "how long the fake runtime takes for a step")
	_ = own.MarkHidden("fake-step-time")
	return starter{serve: func(modelDirs) (runner.Runtime, error) {
		return fake.New(fake.Options{StepTime: *stepTime}), nil
	}}
}
