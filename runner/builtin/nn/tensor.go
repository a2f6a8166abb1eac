// Package nn has the layers that the parts of a diffusion pipeline are made of.
//
// Pictures are stored with the channels innermost (N, H, W, C): a convolution is then a product of pixel
// patches and weights, a linear layer is the same product with a patch of one pixel, and a sequence of tokens
// is a picture of height 1. Everything is float32.
package nn

import "fmt"

// Tensor is a batch of N pictures of H x W pixels with C channels each: element (n, y, x, c) is
// Data[((n*H+y)*W+x)*C+c]. A sequence of T tokens has H 1 and W T.
type Tensor struct {
	Data       []float32
	N, H, W, C int
}

// Pixels returns N*H*W, the number of rows when the tensor is seen as a matrix with C columns.
func (t Tensor) Pixels() int { return t.N * t.H * t.W }

// Shape prints like "2x16x16x64".
func (t Tensor) Shape() string { return fmt.Sprintf("%dx%dx%dx%d", t.N, t.H, t.W, t.C) }

// Add adds x to t element by element. The shapes are the same.
func (t Tensor) Add(x Tensor) { sum(t.Data, t.Data, x.Data) }

// sum is dst = a + b, which have the same length.
func sum(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	done := 0
	if vectors() && len(dst) >= lanes {
		done = len(dst) / lanes * lanes
		sum8(&dst[0], &a[0], &b[0], done)
	}
	for i := done; i < len(dst); i++ {
		dst[i] = a[i] + b[i]
	}
}

// Concat joins a and b, of the same size and number, along the channels.
func Concat(m *Arena, a, b Tensor) Tensor {
	out := m.Tensor(a.N, a.H, a.W, a.C+b.C)
	for i := range a.Pixels() {
		row := out.Data[i*out.C : (i+1)*out.C]
		copy(row, a.Data[i*a.C:(i+1)*a.C])
		copy(row[a.C:], b.Data[i*b.C:(i+1)*b.C])
	}
	return out
}

// resize scales x to the frame's size by taking the nearest pixel, as torch.nn.functional.interpolate with mode
// "nearest": the source index is floor(i * in / out) with the ratio rounded to float32.
func resize(f framed, x Tensor) {
	h, w := f.H-f.before-f.after, f.W-f.before-f.after
	down, across := float32(x.H)/float32(h), float32(x.W)/float32(w)
	for n := range x.N {
		for y := range h {
			sy := min(int(float32(y)*down), x.H-1)
			from := x.Data[(n*x.H+sy)*x.W*x.C:]
			to := f.line(n, y)
			for c := range w {
				sx := min(int(float32(c)*across), x.W-1)
				copy(to[c*x.C:(c+1)*x.C], from[sx*x.C:])
			}
		}
	}
}

// FromPlanes converts one picture from planes, (C, H, W) as PyTorch keeps it, and repeats it n times.
func FromPlanes(m *Arena, planes []float32, n, h, w, c int) Tensor {
	out := m.Tensor(n, h, w, c)
	one := out.Data[:h*w*c]
	for i := range h * w {
		for ch := range c {
			one[i*c+ch] = planes[ch*h*w+i]
		}
	}
	for i := 1; i < n; i++ {
		copy(out.Data[i*len(one):], one)
	}
	return out
}

// Planes converts picture n of x to planes (C, H, W) in dst, which has H*W*C elements.
func (t Tensor) Planes(dst []float32, n int) {
	one := t.Data[n*t.H*t.W*t.C:]
	for ch := range t.C {
		for i := range t.H * t.W {
			dst[ch*t.H*t.W+i] = one[i*t.C+ch]
		}
	}
}
