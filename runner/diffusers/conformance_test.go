package diffusers_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/diffusers"
	"github.com/easelgrid/easel/runner/runnertest"
)

// python is the interpreter with the packages of the lock file. scripts/test makes one.
func python(t testing.TB) string {
	t.Helper()
	path := os.Getenv("EASEL_PYTHON")
	switch {
	case path != "":
		return path
	case os.Getenv("CI") == "true":
		t.Fatal("EASEL_PYTHON names no Python with diffusers: see scripts/python")
	default:
		t.Skip("not checked: EASEL_PYTHON names no Python with diffusers, see scripts/python")
	}
	return ""
}

func shipped() []diffusers.Shipped {
	return []diffusers.Shipped{{Name: builtin.ShippedModel, Files: builtin.Shipped(), LoRAs: builtin.ShippedLoRAs()}}
}

func child(t testing.TB, o diffusers.Options) runner.Options {
	t.Helper()
	o.Python, o.Data, o.Device = python(t), t.TempDir(), "cpu"
	command, err := diffusers.Command(o)
	if err != nil {
		t.Fatal(err)
	}
	return runner.Options{Command: command, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

func TestConformance(t *testing.T) {
	runnertest.Suite{Options: child(t, diffusers.Options{Shipped: shipped(), Threads: 1}), Share: true}.Run(t)
}
