package dialect

import (
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestCountTokens(t *testing.T) {
	job := api.Job{Spec: api.ImageSpec{Prompt: "a red €at", InitImage: &api.Input{Width: 64, Height: 33}}}
	got := CountTokens(job, api.Image{Width: 1024, Height: 1024}, api.Image{Width: 128, Height: 128})
	if want := (Tokens{Text: 3, Images: 4, Made: 1040}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
