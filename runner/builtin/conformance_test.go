package builtin_test

import (
	"testing"

	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/runnertest"
)

func TestMain(m *testing.M) {
	runnertest.Main(m, func() (runner.Runtime, error) { return builtin.New(builtin.Options{}) })
}

func TestConformance(t *testing.T) { runnertest.Run(t, runnertest.Child(t)) }
