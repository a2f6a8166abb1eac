package shapes

import (
	"cmp"
	"image"
	"math"
	"slices"
)

// A Verdict is how much of a scene its picture shows. Colors, Shapes and Placed count figures.
type Verdict struct {
	Background bool
	Figures    int     // asked for
	Colors     int     // with the right colour
	Shapes     int     // with the right shape
	Positions  int     // asked for a position; every figure of two was: left or right
	Placed     int     // of those, in the right place
	Hollow     float64 // smallest share of hole among the figures
}

// Right reports whether everything is as asked.
func (v Verdict) Right() bool {
	return v.Background && v.Colors == v.Figures && v.Shapes == v.Figures && v.Placed == v.Positions
}

// middle is how far from the centre, in shares of the side, a figure still counts as in the center.
const middle = 0.065

// Judge compares a picture with the scene it should show. Figures that are missing count as wrong.
func Judge(s Scene, picture image.Image) Verdict {
	reading := Read(picture)
	v := Verdict{Background: reading.Background == s.Background, Figures: len(s.Figures), Hollow: 1}
	seen := reading.Figures[:min(len(reading.Figures), len(s.Figures))]
	slices.SortFunc(seen, func(a, b Seen) int { return cmp.Compare(a.X, b.X) })
	for i, f := range s.Figures {
		where, stated := direction(s, i)
		if stated {
			v.Positions++
		}
		if i >= len(seen) {
			v.Hollow = 0
			continue
		}
		v.Colors += one(seen[i].Color == f.Color)
		v.Shapes += one(seen[i].Shape == f.Shape)
		v.Placed += one(stated && seen[i].direction() == where)
		v.Hollow = min(v.Hollow, seen[i].Hollow)
	}
	return v
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// direction is where figure i should be, if the caption has a position.
func direction(s Scene, i int) ([2]int, bool) {
	if len(s.Figures) == 2 {
		return [2]int{2*i - 1, 0}, true
	}
	d, ok := Positions[s.Figures[i].Position]
	return d, ok
}

// direction is where the figure is, seen from the centre.
func (f Seen) direction() [2]int {
	dx, dy := f.X-0.5, f.Y-0.5
	switch {
	case max(math.Abs(dx), math.Abs(dy)) < middle:
		return [2]int{0, 0}
	case math.Abs(dx) > math.Abs(dy):
		return [2]int{int(math.Copysign(1, dx)), 0}
	}
	return [2]int{0, int(math.Copysign(1, dy))}
}
