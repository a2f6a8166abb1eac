package picture

import (
	"image"
	"image/color"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestPicturesAreBroughtToTheirFinishedSize(t *testing.T) {
	for _, test := range []struct {
		name          string
		width, height int
		spec          api.ImageSpec
		flagged       bool
	}{
		{"larger", 960, 640, api.ImageSpec{}, false},
		{"another shape", 333, 517, api.ImageSpec{Format: api.FormatJPEG, Quality: 90}, false},
		{"smaller", 30, 20, api.ImageSpec{Format: api.FormatWebP, Quality: 100}, false},
		{"one pixel", 1, 1, api.ImageSpec{}, false},
		{"flagged", 960, 640, api.ImageSpec{SafetyCheck: true, SafetyAction: api.SafetyText}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.spec.Prompt, test.spec.OutputWidth, test.spec.OutputHeight = "a red disc", test.width, test.height
			body, described := finished(t, test.spec, Inputs{}, coloured(96, 64), test.flagged)
			got := decoded(t, body)
			if described.Width != test.width || described.Height != test.height || got.Rect.Dx() != test.width || got.Rect.Dy() != test.height {
				t.Fatalf("it is %v, described as %+v", got.Rect, described)
			}
			middle, corner := got.NRGBAAt(test.width/2, test.height/2), got.NRGBAAt(0, 0)
			if red := middle.R > 200 && middle.B < 60; test.width > 1 && red == test.flagged {
				t.Errorf("its middle is %v", middle)
			}
			if blue := corner.B > 180 && corner.R < 60; test.width > 1 && blue == test.flagged {
				t.Errorf("its corner is %v", corner)
			}
		})
	}
}

func TestEnlargedTransparencyHasNoHalo(t *testing.T) {
	spec := api.ImageSpec{Prompt: "a red disc", OutputWidth: 960, OutputHeight: 640, Background: api.BackgroundTransparent}
	body, _ := finished(t, spec, Inputs{}, coloured(96, 64), false)
	got, subject := decoded(t, body), 0
	for y := range 640 {
		for x := range 960 {
			switch c := got.NRGBAAt(x, y); {
			case c.A == 0:
			case c.A == 255:
				subject++
			case c.A > 8 && (c.R < 190 || c.B > 60): // a few levels of alpha round their colour coarsely
				t.Fatalf("at %d, %d there is %v, which is no shade of the subject", x, y, c)
			}
		}
	}
	if got.NRGBAAt(0, 0).A != 0 || subject < 960*640/12 {
		t.Errorf("corner %v, %d pixels of subject", got.NRGBAAt(0, 0), subject)
	}
}

// The child is given small pictures; what lies outside of the mask comes back from the large one.
func TestEnlargedInpaintingKeepsTheOriginalOutside(t *testing.T) {
	dir := t.TempDir()
	original, mask := noisy(640, 480), image.NewGray(image.Rect(0, 0, 640, 480))
	for y := 101; y < 333; y++ {
		for x := 203; x < 407; x++ {
			mask.SetGray(x, y, color.Gray{Y: 255})
		}
	}
	spec := api.ImageSpec{
		Prompt: "a red disc", Width: 144, Height: 112, OutputWidth: 640, OutputHeight: 480,
		InitImage: input(t, dir, original), MaskImage: input(t, dir, mask), Strength: 1, Steps: 1,
	}
	inner, err := Prepare(dir, spec)
	if err != nil {
		t.Fatal(err)
	}
	if size := inner.Init.Rect.Size(); size != image.Pt(144, 112) || inner.Mask.Rect.Size() != size {
		t.Errorf("the child gets %v and %v", inner.Init.Rect, inner.Mask.Rect)
	}
	outer, err := finishedInputs(dir, spec, inner)
	if err != nil {
		t.Fatal(err)
	}
	made := coloured(144, 112)
	body, _ := finished(t, spec, outer, made, false)
	got, painted := decoded(t, body), resample(made, 640, 480)
	for y := range 480 {
		for x := range 640 {
			want := original.NRGBAAt(x, y)
			if mask.GrayAt(x, y).Y == 255 {
				want = painted.NRGBAAt(x, y)
			}
			if c := got.NRGBAAt(x, y); c != want {
				t.Fatalf("at %d, %d there is %v, want %v", x, y, c, want)
			}
		}
	}
}
