package e2e

import (
	"testing"

	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/builtin/shapes"
)

// TestShippedModelDrawsWhatItNeverSaw is the short form of scripts/train/measure: a model or an
// engine that got worse shows here.
func TestShippedModelDrawsWhatItNeverSaw(t *testing.T) {
	pipeline, err := builtin.Open(builtin.Shipped())
	if err != nil {
		t.Fatal(err)
	}
	scenes, right := shapes.HeldOutScenes(10, 2), 0
	for i, scene := range scenes {
		picture, err := pipeline.Generate(t.Context(), builtin.Request{
			Prompt: scene.Caption, Width: 128, Height: 128, Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler", Seed: int64(i),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v := shapes.Judge(scene, picture); v.Right() {
			right++
		} else {
			t.Logf("%s: %+v", scene.Caption, v)
		}
	}
	if right < 9 {
		t.Errorf("%d of %d pictures show what was asked, want at least 9", right, len(scenes))
	}
}
