package model

import (
	"testing"
	"testing/fstest"

	"github.com/easelgrid/easel/api"
)

func TestNotesOfAModelComeBeforeWhatItsFilesSay(t *testing.T) {
	for _, c := range []struct {
		name, notes string
		want        api.Model
		wrong       bool
	}{
		{"none", "", api.Model{Width: 128, Height: 128, Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler"}, false},
		{"some", `{"width": 96, "steps": 4, "closed_vocabulary": true}`, api.Model{Width: 96, Height: 128, Steps: 4, GuidanceScale: 5, Scheduler: "DDIMScheduler", ClosedVocabulary: true}, false},
		{"unknown", `{"widht": 96}`, api.Model{}, true},
		{"not JSON", `{`, api.Model{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{}
			if c.notes != "" {
				files["easel.json"] = &fstest.MapFile{Data: []byte(c.notes)}
			}
			m := api.Model{Width: 128, Height: 128, Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler"}
			err := Describe(files, &m)
			if (err != nil) != c.wrong {
				t.Fatal(err)
			}
			if err == nil && (m.Width != c.want.Width || m.Height != c.want.Height || m.Steps != c.want.Steps || m.ClosedVocabulary != c.want.ClosedVocabulary) {
				t.Errorf("got %+v, want %+v", m, c.want)
			}
		})
	}
}
