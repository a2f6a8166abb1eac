package shapes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseReadsWhatNewSceneWrites(t *testing.T) {
	for _, want := range HeldOutScenes(300, 5) {
		got, ok := Parse(want.Caption)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%s: %v %s", want.Caption, ok, diff)
		}
	}
	for _, caption := range []string{
		"", "a cat", "a red cat on a blue background", "a pink circle on a blue background",
		"a red circle on a pink background", "a red circle and a cat on a blue background",
		"a red circle and a red star and a red square on a blue background",
	} {
		if s, ok := Parse(caption); ok {
			t.Errorf("%q was read as %+v", caption, s)
		}
	}
}
