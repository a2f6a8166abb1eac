package nn

// gather writes the patches of output pixels [from, to) to dst, one per row in the order (ky, kx, channel).
func (d *Dense) gather(dst []float32, out, x Tensor, from, to int) {
	k := d.Kernel * d.Kernel * x.C
	area := out.H * out.W
	for p := from; p < to; p++ {
		picture := x.Data[p/area*x.H*x.W*x.C:]
		oy, ox := p%area/out.W, p%area%out.W
		d.patch(dst[(p-from)*k:(p-from+1)*k], picture, x, oy*d.stride-d.pad, ox*d.stride-d.pad)
	}
}

// patch copies the square whose upper left corner is (top, left); what lies outside the picture is zero.
func (d *Dense) patch(dst, picture []float32, x Tensor, top, left int) {
	row := d.Kernel * x.C
	before, after := max(0, -left), max(0, left+d.Kernel-x.W)
	for ky := range d.Kernel {
		line := dst[ky*row : (ky+1)*row]
		y := top + ky
		if y < 0 || y >= x.H {
			clear(line)
			continue
		}
		clear(line[:before*x.C])
		clear(line[row-after*x.C:])
		inside := line[before*x.C : row-after*x.C]
		copy(inside, picture[(y*x.W+left+before)*x.C:])
	}
}
