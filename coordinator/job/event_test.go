package job

import (
	"fmt"
	"slices"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestSlowWatcherLosesNothingThatMatters(t *testing.T) {
	e := newEvents()
	feed := e.watch("a")
	for i := range 1000 {
		e.publish("a", Event{Progress: &api.Progressed{Progress: api.Progress{Step: i}}})
		e.publish("a", Event{Preview: &api.Previewed{Step: i}})
		if i%100 == 0 {
			e.publish("a", Event{revision: 1, Image: &api.Image{Index: i}})
		}
		e.publish("b", Event{revision: 1, Image: &api.Image{Index: i}})
	}
	e.publish("a", Event{revision: 1, Job: &api.Job{}})
	var got []string
	for _, ev := range feed.Take() {
		switch {
		case ev.Image != nil:
			got = append(got, fmt.Sprintf("image %d", ev.Image.Index))
		case ev.Progress != nil:
			got = append(got, fmt.Sprintf("progress %d", ev.Progress.Progress.Step))
		case ev.Preview != nil:
			got = append(got, fmt.Sprintf("preview %d", ev.Preview.Step))
		default:
			got = append(got, "job")
		}
	}
	want := []string{"image 0", "image 100", "image 200", "image 300", "image 400", "image 500", "image 600", "image 700",
		"image 800", "image 900", "progress 999", "preview 999", "job"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
