package shapes

import (
	"cmp"
	"image"
	"math"
	"slices"
)

// A Seen figure is one connected patch of a picture that is not background.
type Seen struct {
	Color  string  // the nearest of Colors
	Shape  string  // the best fitting of Names
	X, Y   float64 // centroid, holes filled, 0..1 of the picture's side
	Area   float64 // share of the picture, holes filled
	Hollow float64 // share of the filled figure that is hole, 0..1
	Fit    float64 // overlap with the best template, 0..1 (intersection over union)
}

// A Reading is what a picture shows.
type Reading struct {
	Background string
	Figures    []Seen // largest first
}

type rgb [3]float64

func distance(a, b rgb) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}

// nearest names the palette colour closest to c.
func nearest(c rgb) string {
	return slices.MinFunc(Colors, func(a, b Color) int {
		return cmp.Compare(distance(c, rgb{a.R, a.G, a.B}), distance(c, rgb{b.R, b.G, b.B}))
	}).Name
}

// raster is a picture as numbers.
type raster struct {
	w, h   int
	pixels []rgb
}

func newRaster(picture image.Image) raster {
	b := picture.Bounds()
	r := raster{b.Dx(), b.Dy(), make([]rgb, 0, b.Dx()*b.Dy())}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			cr, cg, cb, _ := picture.At(x, y).RGBA()
			r.pixels = append(r.pixels, rgb{float64(cr) / 257, float64(cg) / 257, float64(cb) / 257})
		}
	}
	return r
}

// median returns the per-channel median of the chosen pixels.
func (r raster) median(chosen []int) rgb {
	var out rgb
	for channel := range out {
		values := make([]float64, len(chosen))
		for i, p := range chosen {
			values[i] = r.pixels[p][channel]
		}
		slices.Sort(values)
		out[channel] = values[len(values)/2]
	}
	return out
}

// Read finds what a picture shows: the colour of its border, and every patch inside that differs
// from it by more than the picture's noise and covers at least half a percent.
func Read(picture image.Image) Reading {
	r := newRaster(picture)
	background := r.median(r.border())
	reading := Reading{Background: nearest(background)}
	mask := make([]bool, len(r.pixels))
	for i, p := range r.pixels {
		mask[i] = distance(p, background) > 36
	}
	for _, patch := range components(mask, r.w, r.h) {
		if len(patch) >= len(mask)/200 {
			reading.Figures = append(reading.Figures, r.see(patch, background))
		}
	}
	slices.SortFunc(reading.Figures, func(a, b Seen) int { return cmp.Compare(b.Area, a.Area) })
	return reading
}

// border lists the pixels within three of an edge.
func (r raster) border() []int {
	var out []int
	for i := range r.pixels {
		x, y := i%r.w, i/r.w
		if min(x, y, r.w-1-x, r.h-1-y) < 3 {
			out = append(out, i)
		}
	}
	return out
}

// see measures one patch. Its edge runs half-way between its own colour and the background's.
func (r raster) see(patch []int, background rgb) Seen {
	color := r.median(patch)
	var inside []int
	for _, p := range patch {
		if distance(r.pixels[p], color) < distance(r.pixels[p], background) {
			inside = append(inside, p)
		}
	}
	if len(inside) == 0 {
		inside = patch
	}
	solid := filled(inside, r.w, r.h)
	cx, cy := centroid(solid, r.w)
	shape, fit := bestShape(solid, cx, cy, r.w)
	return Seen{
		Color: nearest(color), Shape: shape, Fit: fit,
		X:      cx / float64(r.w),
		Y:      cy / float64(r.h),
		Area:   float64(len(solid)) / float64(len(r.pixels)),
		Hollow: 1 - float64(len(inside))/float64(len(solid)),
	}
}

// centroid is in pixels; a pixel's centre is at one half.
func centroid(patch []int, w int) (x, y float64) {
	for _, p := range patch {
		x += float64(p%w) + 0.5
		y += float64(p/w) + 0.5
	}
	n := float64(len(patch))
	return x / n, y / n
}

// components splits a mask into its four-connected patches.
func components(mask []bool, w, h int) [][]int {
	seen := make([]bool, len(mask))
	var out [][]int
	for start := range mask {
		if mask[start] && !seen[start] {
			out = append(out, flood(start, w, h, seen, func(i int) bool { return mask[i] }))
		}
	}
	return out
}

// flood collects what is four-connected to start and allowed, marking it as seen.
func flood(start, w, h int, seen []bool, allowed func(int) bool) []int {
	patch := []int{start}
	seen[start] = true
	for next := 0; next < len(patch); next++ {
		x, y := patch[next]%w, patch[next]/w
		for _, n := range [][2]int{{x - 1, y}, {x + 1, y}, {x, y - 1}, {x, y + 1}} {
			if n[0] < 0 || n[0] >= w || n[1] < 0 || n[1] >= h {
				continue
			}
			if i := n[1]*w + n[0]; !seen[i] && allowed(i) {
				seen[i] = true
				patch = append(patch, i)
			}
		}
	}
	return patch
}

// filled returns the patch with its holes: everything the picture's edge cannot reach around it.
func filled(patch []int, w, h int) []int {
	wall, outside := make([]bool, w*h), make([]bool, w*h)
	for _, p := range patch {
		wall[p] = true
	}
	for i := range wall {
		x, y := i%w, i/w
		if (x == 0 || y == 0 || x == w-1 || y == h-1) && !wall[i] && !outside[i] {
			flood(i, w, h, outside, func(n int) bool { return !wall[n] })
		}
	}
	var out []int
	for i := range wall {
		if !outside[i] {
			out = append(out, i)
		}
	}
	return out
}
