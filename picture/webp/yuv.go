package webp

import "image"

// plane is one component: width x height samples, stride apart by row, the first at pix[origin].
type plane struct {
	pix                           []uint8
	width, height, stride, origin int
}

func (p *plane) at(x, y int) int { return p.origin + y*p.stride + x }

// yuv converts to BT.601 with limited range and chroma at half size, as RFC 9649 section 2.5 has it.
// The planes are padded to whole macroblocks by repeating the last column and row.
func yuv(m *image.NRGBA) [3]plane {
	mbw, mbh := (m.Rect.Dx()+15)/16, (m.Rect.Dy()+15)/16
	var p [3]plane
	for i, side := range [3]int{16, 8, 8} {
		p[i] = plane{pix: make([]uint8, side*side*mbw*mbh), width: side * mbw, height: side * mbh, stride: side * mbw}
	}
	for y := range p[0].height {
		for x := range p[0].width {
			c := source(m, x, y)
			p[0].pix[p[0].at(x, y)] = uint8((16839*int(c[0]) + 33059*int(c[1]) + 6420*int(c[2]) + 16<<16 + 1<<15) >> 16)
		}
	}
	for y := range p[1].height {
		for x := range p[1].width {
			r, g, b := quad(m, 2*x, 2*y)
			p[1].pix[p[1].at(x, y)] = chroma(-9719*r - 19081*g + 28800*b)
			p[2].pix[p[2].at(x, y)] = chroma(28800*r - 24116*g - 4684*b)
		}
	}
	return p
}

// source is the pixel at x, y or the nearest one inside.
func source(m *image.NRGBA, x, y int) []uint8 {
	x, y = min(x, m.Rect.Dx()-1), min(y, m.Rect.Dy()-1)
	return m.Pix[y*m.Stride+4*x:][:4]
}

// quad is the mean colour, times four, of a square of 2x2 pixels. Each counts by its alpha, so that
// what is invisible does not bleed over an edge; without any visible pixel all count the same.
func quad(m *image.NRGBA, x, y int) (r, g, b int) {
	q := [4][]uint8{source(m, x, y), source(m, x+1, y), source(m, x, y+1), source(m, x+1, y+1)}
	var wr, wg, wb, weight int
	for _, c := range q {
		r, g, b = r+int(c[0]), g+int(c[1]), b+int(c[2])
		a := int(c[3])
		wr, wg, wb, weight = wr+a*int(c[0]), wg+a*int(c[1]), wb+a*int(c[2]), weight+a
	}
	if weight == 0 || weight == 4*255 {
		return r, g, b
	}
	return (4*wr + weight/2) / weight, (4*wg + weight/2) / weight, (4*wb + weight/2) / weight
}

// chroma takes the weighted sum of four pixels with 16 fraction bits to a sample.
func chroma(sum int) uint8 { return clamp((sum + 128<<18 + 1<<17) >> 18) }

func clamp(v int) uint8 { return uint8(max(0, min(255, v))) }
