package e2e

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/shapes"
)

// demoScenes are what the demo's default prompts ask for, in order.
var demoScenes = []shapes.Scene{
	shapes.NewScene("blue", shapes.Figure{Color: "red", Shape: "circle"}),
	shapes.NewScene("purple", shapes.Figure{Color: "yellow", Shape: "star", Size: "large", Position: "in the center"}),
	shapes.NewScene("white", shapes.Figure{Color: "green", Shape: "triangle"}, shapes.Figure{Color: "orange", Shape: "square"}),
	shapes.NewScene("black", shapes.Figure{Color: "orange", Shape: "circle", Size: "large"}),
}

func TestDemoShowsWhatWasAskedAndLeavesNothingBehind(t *testing.T) {
	before := len(easelProcesses(t))
	out := t.TempDir()
	command := exec.Command(binary, "demo", "--out", out, "--json")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	body, err := command.Output()
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, stderr.Bytes())
	}
	var result struct {
		Pictures []string  `json:"pictures"`
		Sheet    string    `json:"sheet"`
		Jobs     []api.Job `json:"jobs"`
	}
	if err := json.Unmarshal(body, &result); err != nil {
		t.Fatal(err)
	}
	if len(result.Pictures) != len(demoScenes) {
		t.Fatalf("%d pictures, want %d", len(result.Pictures), len(demoScenes))
	}
	for i, scene := range demoScenes {
		if result.Jobs[i].Spec.Prompt != scene.Caption {
			t.Errorf("picture %d is of %q, want %q", i+1, result.Jobs[i].Spec.Prompt, scene.Caption)
		}
		if v := judge(t, scene, result.Pictures[i]); !v.Right() || (v.Hollow > 0.1) != (i == 3) {
			t.Errorf("picture %d, %s: %+v", i+1, scene.Caption, v)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "contact-sheet.png")); err != nil {
		t.Error(err)
	}
	if after := len(easelProcesses(t)); after > before {
		t.Errorf("the demo left %d processes behind", after-before)
	}
}

func judge(t *testing.T, scene shapes.Scene, path string) shapes.Verdict {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return shapes.Judge(scene, picture)
}

func TestDemoEndsWithCtrlC(t *testing.T) {
	before := len(easelProcesses(t))
	for _, signals := range []int{1, 2} {
		d := start(t, "demo", "demo", "--out", t.TempDir())
		select {
		case <-d.lines: // the grid runs and the first picture is under way
		case <-d.exited:
			t.Fatalf("the demo ended: %v\n%s", d.err, d.log)
		}
		for range signals {
			_ = d.command.Process.Signal(os.Interrupt) // the process may be gone before the second
		}
		if err := d.wait(); err == nil || d.command.ProcessState.ExitCode() != 130 {
			t.Errorf("after %d signals: %v, want exit code 130", signals, err)
		}
	}
	deadline := time.After(patience)
	for len(easelProcesses(t)) > before {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatal("processes are left behind")
		}
	}
}
