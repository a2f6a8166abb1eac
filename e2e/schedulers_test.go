package e2e

import (
	"testing"

	"github.com/easelgrid/easel/runner/builtin/survey"
)

// What the pictures of a scheduler must show of what was asked, and of how many prompts. The other sigma
// schedules are looked at more briefly; docs/schedulers.md has them all at 50 prompts.
const (
	enoughColor, enoughShape = 0.85, 0.80
	ownPrompts, otherPrompts = 50, 6
	otherColor, otherShape   = 0.40, 0.60
)

func TestEverySchedulerDrawsWhatIsAsked(t *testing.T) {
	cases := make(chan survey.Case)
	go func() {
		defer close(cases)
		for _, c := range survey.Cases() {
			cases <- c
		}
	}()
	t.Run("surveyors", func(t *testing.T) {
		for _, name := range []string{"one", "two"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, err := survey.New(t.Context())
				if err != nil {
					t.Error(err)
				}
				for c := range cases {
					if s != nil {
						look(t, s, c)
					}
				}
			})
		}
	})
}

func look(t *testing.T, s *survey.Surveyor, c survey.Case) {
	n, color, shape := ownPrompts, enoughColor, enoughShape
	if c.Sigmas != "" {
		n, color, shape = otherPrompts, otherColor, otherShape
	}
	r, err := s.Run(t.Context(), c, n)
	if err != nil {
		t.Error(err)
		return
	}
	t.Logf("%-44s %2d prompts  colour %3.0f %%  shape %3.0f %%", c, n, 100*r.Color(), 100*r.Shape())
	if r.Color() < color || r.Shape() < shape {
		t.Errorf("%s: colour %.0f %% and shape %.0f %%, want %.0f %% and %.0f %%", c, 100*r.Color(), 100*r.Shape(), 100*color, 100*shape)
	}
}
