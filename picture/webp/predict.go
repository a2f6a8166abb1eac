package webp

// Prediction modes in the order of subModeProb, RFC 6386 sections 11.2 to 11.5. The first four exist for whole
// macroblocks too, the others are for 4x4 subblocks only.
const (
	predDC = iota
	predTM
	predVE
	predHE
	predRD
	predVR
	predLD
	predVL
	predHD
	predHU
	subModes
	wholeModes = predHE + 1
)

// predictWhole fills the side x side square dst from the samples above and to the left of x, y in
// rec, RFC 6386 sections 12.2 and 12.3. What lies outside the picture is in rec's border; only DC leaves it out.
func predictWhole(mode uint8, rec *plane, x, y, side int, dst []uint8) {
	above := rec.pix[rec.at(x, y-1):][:side]
	corner := int(rec.pix[rec.at(x-1, y-1)])
	dc := uint8(128)
	if mode == predDC {
		dc = meanOfEdges(rec, x, y, side)
	}
	for j := range side {
		left := rec.pix[rec.at(x-1, y+j)]
		row := dst[j*side:][:side]
		for i := range row {
			switch mode {
			case predDC:
				row[i] = dc
			case predVE:
				row[i] = above[i]
			case predHE:
				row[i] = left
			case predTM:
				row[i] = clamp(int(left) + int(above[i]) - corner)
			}
		}
	}
}

// meanOfEdges is the DC prediction: of the edges inside the picture, or 128 without any.
func meanOfEdges(rec *plane, x, y, side int) uint8 {
	sum, n := 0, 0
	for i := range side {
		if y > 0 {
			sum, n = sum+int(rec.pix[rec.at(x+i, y-1)]), n+1
		}
		if x > 0 {
			sum, n = sum+int(rec.pix[rec.at(x-1, y+i)]), n+1
		}
	}
	if n == 0 {
		return 128
	}
	return uint8((sum + n/2) / n)
}

// edge is the line of samples around a subblock, from the bottom of the left column over the corner
// (5) to the far end of the row above and to the right, with both end samples twice.
type edge [15]uint8

// edgeOf takes the edge of subblock sub of the macroblock at x0, y0. The subblocks of the last column
// all see the macroblock row above on their right, RFC 6386 section 12.3.
func edgeOf(rec *plane, x0, y0, sub int) (e edge) {
	x, y := x0+sub%4*4, y0+sub/4*4
	for i := range 4 {
		e[4-i] = rec.pix[rec.at(x-1, y+i)]
	}
	copy(e[5:], rec.pix[rec.at(x-1, y-1):][:5])
	if sub%4 == 3 {
		y = y0
	}
	copy(e[10:], rec.pix[rec.at(x+4, y-1):][:4])
	e[0], e[14] = e[1], e[13]
	return e
}

// smoothed are the means the directional modes choose from: 1 to 13 of three edge samples around that
// place, weighted 1:2:1, and 16 to 29 of the two samples from place-16 on.
func (e *edge) smoothed() (s [32]uint8) {
	for i := 1; i < 14; i++ {
		s[i] = uint8((int(e[i-1]) + 2*int(e[i]) + int(e[i+1]) + 2) >> 2)
	}
	for i := range 14 {
		s[16+i] = uint8((int(e[i]) + int(e[i+1]) + 1) >> 1)
	}
	return s
}

// directional is which mean each sample of a directional mode is, RFC 6386 section 12.3.
var directional = [subModes][16]uint8{
	predVE: {6, 7, 8, 9, 6, 7, 8, 9, 6, 7, 8, 9, 6, 7, 8, 9},
	predHE: {4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1},
	predRD: {5, 6, 7, 8, 4, 5, 6, 7, 3, 4, 5, 6, 2, 3, 4, 5},
	predVR: {21, 22, 23, 24, 5, 6, 7, 8, 4, 21, 22, 23, 3, 5, 6, 7},
	predLD: {7, 8, 9, 10, 8, 9, 10, 11, 9, 10, 11, 12, 10, 11, 12, 13},
	predVL: {22, 23, 24, 25, 7, 8, 9, 10, 23, 24, 25, 11, 8, 9, 10, 12},
	predHD: {20, 5, 6, 7, 19, 4, 20, 5, 18, 3, 19, 4, 17, 2, 18, 3},
	predHU: {19, 3, 18, 2, 18, 2, 17, 1, 17, 1, 16, 16, 16, 16, 16, 16},
}

// predictSub fills a 4x4 subblock.
func predictSub(mode uint8, e *edge, s *[32]uint8, dst *[16]uint8) {
	switch mode {
	case predDC:
		sum := 4
		for i := range 4 {
			sum += int(e[1+i]) + int(e[6+i])
		}
		for i := range dst {
			dst[i] = uint8(sum >> 3)
		}
	case predTM:
		for i := range dst {
			dst[i] = clamp(int(e[4-i/4]) + int(e[6+i%4]) - int(e[5]))
		}
	default:
		for i, mean := range directional[mode] {
			dst[i] = s[mean]
		}
	}
}

// The mode trees and their probabilities on key frames, RFC 6386 sections 11.2 and 11.4.
var (
	lumaProb   = []uint8{145, 156, 163, 128}
	chromaProb = []uint8{142, 114, 183}

	subPath  = []branch{{0, 0}} // of the macroblock whose subblocks have modes of their own
	lumaPath = [wholeModes][]branch{
		predDC: {{0, 1}, {1, 0}, {2, 0}},
		predVE: {{0, 1}, {1, 0}, {2, 1}},
		predHE: {{0, 1}, {1, 1}, {3, 0}},
		predTM: {{0, 1}, {1, 1}, {3, 1}},
	}
	chromaPath = [wholeModes][]branch{
		predDC: {{0, 0}},
		predVE: {{0, 1}, {1, 0}},
		predHE: {{0, 1}, {1, 1}, {2, 0}},
		predTM: {{0, 1}, {1, 1}, {2, 1}},
	}

	subModePath = [subModes][]branch{
		predDC: {{0, 0}},
		predTM: {{0, 1}, {1, 0}},
		predVE: {{0, 1}, {1, 1}, {2, 0}},
		predHE: {{0, 1}, {1, 1}, {2, 1}, {3, 0}, {4, 0}},
		predRD: {{0, 1}, {1, 1}, {2, 1}, {3, 0}, {4, 1}, {5, 0}},
		predVR: {{0, 1}, {1, 1}, {2, 1}, {3, 0}, {4, 1}, {5, 1}},
		predLD: {{0, 1}, {1, 1}, {2, 1}, {3, 1}, {6, 0}},
		predVL: {{0, 1}, {1, 1}, {2, 1}, {3, 1}, {6, 1}, {7, 0}},
		predHD: {{0, 1}, {1, 1}, {2, 1}, {3, 1}, {6, 1}, {7, 1}, {8, 0}},
		predHU: {{0, 1}, {1, 1}, {2, 1}, {3, 1}, {6, 1}, {7, 1}, {8, 1}},
	}
)
