package e2e

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

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
