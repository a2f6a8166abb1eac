package webp

import (
	"image"
	"image/color"
	"math"
)

// contents are test pictures by name, as the colour at x, y of a w x h picture.
var contents = map[string]func(x, y, w, h int) color.NRGBA{
	"flat": func(x, y, w, h int) color.NRGBA { return color.NRGBA{10, 200, 30, 255} },
	"gradient": func(x, y, w, h int) color.NRGBA {
		return color.NRGBA{uint8(255 * x / w), uint8(255 * y / h), uint8(255 * (x + y) / (w + h)), 255}
	},
	"noise": func(x, y, w, h int) color.NRGBA {
		v := scramble(x, y)
		return color.NRGBA{uint8(v), uint8(v >> 8), uint8(v >> 16), 255}
	},
	"text": func(x, y, w, h int) color.NRGBA {
		if x%7 == 1 || y%11 == 3 && x%3 > 0 {
			return color.NRGBA{20, 20, 40, 255}
		}
		return color.NRGBA{250, 250, 240, 255}
	},
	// Dark, so that a wrong black sample beyond the right edge would still be a good prediction.
	"diagonal": func(x, y, w, h int) color.NRGBA {
		v := uint8((x + y) / 3 % 5 * 12)
		return color.NRGBA{v, v, v / 2, 255}
	},
	"waves": waves,
	"cutout": func(x, y, w, h int) color.NRGBA {
		c := waves(x, y, w, h)
		dx, dy := 2*x-w, 2*y-h
		c.A = clamp(128 + (w*h-dx*dx-dy*dy)/(2*max(w, h)))
		return c
	},
	"alpha noise": func(x, y, w, h int) color.NRGBA {
		v := scramble(x, y)
		return color.NRGBA{uint8(v), uint8(v >> 8), uint8(v >> 16), uint8(v >> 24)}
	},
	"invisible": func(x, y, w, h int) color.NRGBA { return color.NRGBA{uint8(x), uint8(y), 9, 0} },
}

// waves are like a photo for a coder: smooth areas, a texture that comes and goes, hard edges, grain.
func waves(x, y, w, h int) color.NRGBA {
	fx, fy := float64(x), float64(y)
	texture := 14 * math.Sin(fx*.021) * math.Cos(fy*.017) * math.Sin(fx*.9+fy*.5)
	edge := 0.
	if math.Sin(fx*.04)*math.Sin(fy*.055+fx*.01) > .25 {
		edge = 35
	}
	wave := func(phase, a, b float64) uint8 {
		v := math.Sin(phase+a*fx) + math.Cos(phase+b*fy) + math.Sin((fx*b+fy*a)/2)
		return clamp(int(110+30*v+texture+edge) + int(scramble(x, y)%7) - 3)
	}
	return color.NRGBA{wave(0, .05, .031), wave(1, .043, .06), wave(2, .02, .017), 255}
}

// scramble gives each place its own 32 bits.
func scramble(x, y int) uint32 {
	v := uint32(x)*0x9e3779b1 ^ uint32(y)*0x85ebca77
	v = (v ^ v>>16) * 0x7feb352d
	v = (v ^ v>>15) * 0x846ca68b
	return v ^ v>>16
}

func draw(content string, w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, contents[content](x, y, w, h))
		}
	}
	return m
}

// sizes have partial, whole and several macroblocks, and one row or column.
var sizes = []image.Point{{1, 1}, {2, 1}, {1, 40}, {15, 17}, {16, 16}, {33, 64}, {48, 50}, {129, 3}}
