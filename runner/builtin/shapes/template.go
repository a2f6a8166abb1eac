package shapes

import "math"

// corners are the outlines of the shapes around the origin, y downwards, as drawn in training. The
// circle is a polygon of many sides. Their scale does not matter: templates are fitted by area.
var corners = map[string][][2]float64{
	"circle":   ring(64, 0, func(int) float64 { return 1 }),
	"square":   {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}},
	"triangle": ring(3, 0, func(int) float64 { return 1 }),
	"star": ring(10, 0, func(i int) float64 {
		if i%2 == 0 {
			return 1.26
		}
		return 0.54
	}),
}

// ring places n corners clockwise from the top.
func ring(n int, turn float64, radius func(int) float64) [][2]float64 {
	out := make([][2]float64, n)
	for i := range out {
		a := 2*math.Pi*float64(i)/float64(n) + turn
		out[i] = [2]float64{radius(i) * math.Sin(a), -radius(i) * math.Cos(a)}
	}
	return out
}

// bestShape compares a patch with a template of every shape of the same area around the same
// centroid, and returns the one that overlaps most, with intersection over union.
func bestShape(patch []int, cx, cy float64, w int) (name string, fit float64) {
	member := make(map[int]bool, len(patch))
	for _, p := range patch {
		member[p] = true
	}
	n := float64(len(patch))
	for _, candidate := range Names {
		if overlap := overlap(member, corners[candidate], cx, cy, n, w); overlap > fit {
			name, fit = candidate, overlap
		}
	}
	return name, fit
}

func overlap(member map[int]bool, shape [][2]float64, cx, cy, area float64, w int) float64 {
	scale := math.Sqrt(area / polygonArea(shape))
	reach := int(math.Ceil(scale*1.5)) + 1
	both, template := 0, 0
	for y := int(cy) - reach; y <= int(cy)+reach; y++ {
		for x := int(cx) - reach; x <= int(cx)+reach; x++ {
			if !inside(shape, (float64(x)+0.5-cx)/scale, (float64(y)+0.5-cy)/scale) {
				continue
			}
			template++
			if x >= 0 && x < w && member[y*w+x] {
				both++
			}
		}
	}
	return float64(both) / float64(len(member)+template-both)
}

// polygonArea is the shoelace formula.
func polygonArea(points [][2]float64) float64 {
	sum := 0.0
	for i, p := range points {
		q := points[(i+1)%len(points)]
		sum += p[0]*q[1] - q[0]*p[1]
	}
	return math.Abs(sum) / 2
}

// inside is the even-odd rule.
func inside(points [][2]float64, x, y float64) bool {
	in := false
	for i, p := range points {
		q := points[(i+1)%len(points)]
		if (p[1] > y) != (q[1] > y) && x < (q[0]-p[0])*(y-p[1])/(q[1]-p[1])+p[0] {
			in = !in
		}
	}
	return in
}
