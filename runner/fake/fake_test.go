package fake_test

import (
	"testing"
	"time"

	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/fake"
	"github.com/easelgrid/easel/runner/runnertest"
)

func TestMain(m *testing.M) {
	runnertest.Main(m, func() (runner.Runtime, error) { return fake.New(fake.Options{StepTime: 20 * time.Millisecond}), nil })
}

func TestConformance(t *testing.T) { runnertest.Run(t, runnertest.Child(t)) }
