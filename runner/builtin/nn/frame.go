package nn

import "github.com/easelgrid/easel/runner/builtin/matrix"

// framed is a batch of pictures with a border of zeros, in which a convolution finds its patches. What comes before a
// convolution writes into it directly where it can.
type framed struct {
	Tensor        // H and W count the border
	before, after int
}

// frame lends a frame for pictures of that size and clears its border.
func (m *Arena) frame(n, h, w, c, before, after int) framed {
	f := framed{m.Tensor(n, h+before+after, w+before+after, c), before, after}
	row := f.W * c
	for i := range n {
		one := f.Data[i*f.H*row : (i+1)*f.H*row]
		clear(one[:before*row])
		clear(one[(f.H-after)*row:])
		for y := before; y < f.H-after; y++ {
			line := one[y*row : (y+1)*row]
			clear(line[:before*c])
			clear(line[row-after*c:])
		}
	}
	return f
}

// line returns line y of picture n without the border.
func (f framed) line(n, y int) []float32 {
	row := f.W * f.C
	at := (n*f.H+y+f.before)*row + f.before*f.C
	return f.Data[at : at+row-(f.before+f.after)*f.C]
}

// framed copies x into a frame that fits the layer.
func (d *Dense) framed(m *Arena, x Tensor) framed {
	f := m.frame(x.N, x.H, x.W, x.C, d.pad, d.padEnd)
	for n := range x.N {
		for y := range x.H {
			copy(f.line(n, y), x.Data[(n*x.H+y)*x.W*x.C:])
		}
	}
	return f
}

// patches are the layer's, for an output of that size.
func (d *Dense) patches(f framed, out Tensor) matrix.Patches {
	row := f.W * f.C
	return matrix.Patches{
		Data: f.Data, Width: out.W, Lines: out.H,
		PixelStep: d.stride * f.C, LineStep: d.stride * row, PictureStep: f.H * row,
		Run: d.Kernel * f.C, Runs: d.Kernel, RunStep: row,
	}
}
