package picture

import (
	"image"
	"image/draw"
	"math"
)

// resample brings a picture on white to another size with the Catmull-Rom kernel (Mitchell and Netravali
// 1988, formula 8 with B = 0 and C = 1/2), widened where the picture shrinks. It takes the picture row by
// row: golang.org/x/image/draw holds the target's width times the picture's height, which is gigabytes for
// a small file of many rows.
func resample(picture image.Image, width, height int) *image.NRGBA {
	from := picture.Bounds()
	columns, rows := spans(width, from.Dx()), spans(height, from.Dy())
	row, line := image.NewRGBA(image.Rect(0, 0, from.Dx(), 1)), make([]float32, 3*width)
	sums := make([]float32, 3*width*height)
	first := 0 // the first target row that is not complete
	for y := range from.Dy() {
		draw.Draw(row, row.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(row, row.Rect, picture, from.Min.Add(image.Pt(0, y)), draw.Over)
		for x, s := range columns {
			s.sum(line[3*x:3*x+3], row.Pix)
		}
		for first < height && rows[first].end() <= y {
			first++
		}
		for to := first; to < height && rows[to].first <= y; to++ {
			weight, sum := rows[to].weights[y-rows[to].first], sums[3*width*to:3*width*(to+1)]
			for i, v := range line {
				sum[i] += weight * v
			}
		}
	}
	out := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		for c := range 3 {
			out.Pix[4*i+c] = uint8(min(max(sums[3*i+c]+0.5, 0), 255))
		}
		out.Pix[4*i+3] = 255
	}
	return out
}

// span is what one target pixel takes of the picture, along one axis.
type span struct {
	first   int
	weights []float32 // their sum is 1
}

func (s span) end() int { return s.first + len(s.weights) }

// sum adds up a row's pixels.
func (s span) sum(to []float32, row []uint8) {
	var r, g, b float32
	for i, w := range s.weights {
		pixel := row[4*(s.first+i) : 4*(s.first+i)+3]
		r += w * float32(pixel[0])
		g += w * float32(pixel[1])
		b += w * float32(pixel[2])
	}
	to[0], to[1], to[2] = r, g, b
}

// spans are those of all target pixels of an axis.
func spans(to, from int) []span {
	all := make([]span, to)
	step := float64(from) / float64(to)
	scale := max(step, 1)
	for i := range all {
		middle := (float64(i)+0.5)*step - 0.5
		first, last := max(int(math.Ceil(middle-2*scale)), 0), min(int(math.Floor(middle+2*scale)), from-1)
		weights, total := make([]float32, last-first+1), 0.0
		for j := range weights {
			w := catmullRom(math.Abs(float64(first+j)-middle) / scale)
			weights[j], total = float32(w), total+w
		}
		for j := range weights {
			weights[j] /= float32(total)
		}
		all[i] = span{first, weights}
	}
	return all
}

func catmullRom(t float64) float64 {
	switch {
	case t < 1:
		return (1.5*t-2.5)*t*t + 1
	case t < 2:
		return ((-0.5*t+2.5)*t-4)*t + 2
	}
	return 0
}
