package builtin

import (
	"image"
	"testing"

	"github.com/easelgrid/easel/runner/builtin/scheduler"
)

func TestShippedModelMakesAPicture(t *testing.T) {
	p, err := Open(Shipped())
	if err != nil {
		t.Fatal(err)
	}
	w, h := p.NativeSize()
	r := Request{Prompt: "a red circle", Width: w, Height: h, Steps: 3, GuidanceScale: 5, Scheduler: scheduler.DDIM}
	if got := generate(t, p, r).Bounds(); got != image.Rect(0, 0, w, h) {
		t.Errorf("the picture is %v, want %d x %d", got, w, h)
	}
}
