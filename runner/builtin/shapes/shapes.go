// Package shapes knows the small world of the shipped model: the captions it understands and what
// a picture must show for each. It reads pictures with plain geometry, without any learned part,
// so that what the model draws can be measured. scripts/train/shapes.py draws the same world.
package shapes

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// A Color has a name in captions and the RGB value it is drawn with.
type Color struct {
	Name    string
	R, G, B float64 // 0..255
}

// Colors are all colours of the world, in the order scripts/train/shapes.py has them.
var Colors = []Color{
	{"red", 220, 40, 40},
	{"green", 40, 170, 70},
	{"blue", 50, 80, 220},
	{"yellow", 240, 210, 50},
	{"purple", 140, 60, 180},
	{"orange", 245, 140, 40},
	{"white", 245, 245, 245},
	{"black", 25, 25, 25},
}

// Names of all shapes, in the order scripts/train/shapes.py has them.
var Names = []string{"circle", "square", "triangle", "star"}

// Positions are the phrases for where a single shape is, with the direction from the centre.
var Positions = map[string][2]int{
	"on the left": {-1, 0}, "on the right": {1, 0}, "at the top": {0, -1}, "at the bottom": {0, 1}, "in the center": {0, 0},
}

// A Figure is one shape of a scene.
type Figure struct {
	Color, Shape string
	Size         string // "", "small" or "large"
	Position     string // "" or a key of Positions
}

// A Scene is what a caption describes. With two figures the first is on the left.
type Scene struct {
	Caption    string
	Background string
	Figures    []Figure
}

func article(word string) string {
	if word[0] == 'o' {
		return "an"
	}
	return "a"
}

// NewScene puts the scene of one or two figures into words.
func NewScene(background string, figures ...Figure) Scene {
	text := ""
	for i, f := range figures {
		if i > 0 {
			text += " and "
		}
		words := f.Color + " " + f.Shape
		if f.Size != "" {
			words = f.Size + " " + words
		}
		text += article(words) + " " + words
		if f.Position != "" {
			text += " " + f.Position
		}
	}
	return Scene{fmt.Sprintf("%s on %s %s background", text, article(background), background), background, figures}
}

// HeldOut reports whether training never drew this shape colour, shape and background together.
// One triple in five is held out; scripts/train/shapes.py has the same rule.
func HeldOut(color, shape, background string) bool {
	c, s, b := colorIndex(color), slices.Index(Names, shape), colorIndex(background)
	return (c+2*s+3*b)%5 == 0
}

func colorIndex(name string) int {
	return slices.IndexFunc(Colors, func(c Color) bool { return c.Name == name })
}

// HeldOutScenes returns n different scenes that hold only triples training never drew together: a
// bit more than two thirds with one figure, the rest with two. The same seed gives the same scenes.
func HeldOutScenes(n int, seed uint64) []Scene {
	rng := rand.New(rand.NewPCG(seed, 0))
	positions := []string{"", "on the left", "on the right", "at the top", "at the bottom", "in the center"}
	sizes := []string{"", "", "small", "large"}
	seen := map[string]bool{}
	var scenes []Scene
	for len(scenes) < n {
		background := pick(rng, Colors).Name
		first := heldOutFigure(rng, background)
		s := Scene{}
		if len(scenes)%10 < 7 {
			first.Size, first.Position = pick(rng, sizes), pick(rng, positions)
			s = NewScene(background, first)
		} else {
			s = NewScene(background, first, heldOutFigure(rng, background))
		}
		if !seen[s.Caption] {
			seen[s.Caption] = true
			scenes = append(scenes, s)
		}
	}
	return scenes
}

func heldOutFigure(rng *rand.Rand, background string) Figure {
	for {
		f := Figure{Color: pick(rng, Colors).Name, Shape: pick(rng, Names)}
		if f.Color != background && HeldOut(f.Color, f.Shape, background) {
			return f
		}
	}
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
