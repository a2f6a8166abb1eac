package diffusers_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
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

// tinyModels makes the tiny models of every architecture.
func tinyModels(t testing.TB) (dir string, models []diffusers.Shipped) {
	t.Helper()
	dir = t.TempDir()
	command := exec.Command(python(t), "-B", filepath.Join("..", "..", "scripts", "golden", "tinymodels.py"), dir)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make tiny models: %v\n%s", err, out)
	}
	for _, name := range []string{"sd1", "sdxl", "sd3", "flux"} {
		files, loras := os.DirFS(filepath.Join(dir, name)), os.DirFS(filepath.Join(dir, "loras", name))
		models = append(models, diffusers.Shipped{Name: name, Files: files, LoRAs: loras})
	}
	return dir, models
}

func TestConformance(t *testing.T) {
	python(t)
	dir, tiny := tinyModels(t)
	options := child(t, diffusers.Options{
		// One thread: these models are too small for more, and a test's machine may be busy.
		Shipped: append(shipped(), tiny...), VAEDirs: []string{filepath.Join(dir, "vaes")}, Threads: 1,
	})
	runnertest.Suite{Options: options, Models: []string{"shapes", "sd1", "sdxl", "sd3", "flux"}, Share: true}.Run(t)
}
