package shapes

import (
	"image"
	"image/color"
	"testing"
)

const side = 128

// paint draws a scene sharply, with every figure hollow when asked.
func paint(s Scene, hollow bool) image.Image {
	picture := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			picture.Set(x, y, rgba(s.Background))
		}
	}
	for i, f := range s.Figures {
		where, _ := direction(s, i)
		radius := map[string]float64{"small": 0.12, "": 0.17, "large": 0.27}[f.Size]
		reach := min(0.24, 0.48-1.3*radius)
		cx, cy := 0.5+float64(where[0])*reach, 0.5+float64(where[1])*reach
		scale := radius * map[string]float64{"circle": 1, "square": 0.88, "triangle": 1.22, "star": 1}[f.Shape]
		for y := range side {
			for x := range side {
				px, py := ((float64(x)+0.5)/side-cx)/scale, ((float64(y)+0.5)/side-cy)/scale
				if inside(corners[f.Shape], px, py) && !(hollow && inside(corners[f.Shape], px*1.5, py*1.5)) {
					picture.Set(x, y, rgba(f.Color))
				}
			}
		}
	}
	return picture
}

func rgba(name string) color.Color {
	c := Colors[colorIndex(name)]
	return color.NRGBA{uint8(c.R), uint8(c.G), uint8(c.B), 255}
}

func TestJudgeSeesEveryHeldOutSceneAsDrawn(t *testing.T) {
	for _, s := range HeldOutScenes(200, 1) {
		if v := Judge(s, paint(s, false)); !v.Right() || v.Hollow > 0.01 {
			t.Errorf("%s: %+v, read as %+v", s.Caption, v, Read(paint(s, false)))
		}
		if v := Judge(s, paint(s, true)); !v.Right() || v.Hollow < 0.2 {
			t.Errorf("%s, hollow: %+v", s.Caption, v)
		}
	}
}

func TestJudgeSeesWhatIsWrong(t *testing.T) {
	asked := NewScene("white", Figure{Color: "red", Shape: "circle", Position: "on the left"})
	for _, test := range []struct {
		name  string
		drawn Scene
		want  Verdict
	}{
		{"as asked", asked, Verdict{true, 1, 1, 1, 1, 1, 0}},
		{"background", NewScene("yellow", asked.Figures...), Verdict{false, 1, 1, 1, 1, 1, 0}},
		{"colour", NewScene("white", Figure{Color: "orange", Shape: "circle", Position: "on the left"}), Verdict{true, 1, 0, 1, 1, 1, 0}},
		{"shape", NewScene("white", Figure{Color: "red", Shape: "square", Position: "on the left"}), Verdict{true, 1, 1, 0, 1, 1, 0}},
		{"position", NewScene("white", Figure{Color: "red", Shape: "circle", Position: "on the right"}), Verdict{true, 1, 1, 1, 1, 0, 0}},
		{"nothing there", NewScene("white"), Verdict{true, 1, 0, 0, 1, 0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Judge(asked, paint(test.drawn, false)); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestCaptions(t *testing.T) {
	for want, s := range map[string]Scene{
		"a red circle on an orange background": NewScene("orange", Figure{Color: "red", Shape: "circle"}),
		"a small orange star at the top on a blue background": NewScene("blue",
			Figure{Color: "orange", Shape: "star", Size: "small", Position: "at the top"}),
		"an orange square and a green triangle on a white background": NewScene("white",
			Figure{Color: "orange", Shape: "square"}, Figure{Color: "green", Shape: "triangle"}),
	} {
		if s.Caption != want {
			t.Errorf("got %q, want %q", s.Caption, want)
		}
	}
}

func TestHeldOutLeavesEveryPairToTraining(t *testing.T) {
	held, total := 0, 0
	pairs := map[string]bool{}
	for _, c := range Colors {
		for _, shape := range Names {
			for _, b := range Colors {
				if c == b {
					continue
				}
				total++
				if HeldOut(c.Name, shape, b.Name) {
					held++
					continue
				}
				pairs[c.Name+shape], pairs[c.Name+" "+b.Name], pairs[shape+" "+b.Name] = true, true, true
			}
		}
	}
	if want := 8*4 + 8*7 + 4*8; len(pairs) != want {
		t.Errorf("training sees %d pairs, want all %d", len(pairs), want)
	}
	if share := float64(held) / float64(total); share < 0.15 || share > 0.25 {
		t.Errorf("%d of %d triples are held out", held, total)
	}
}
