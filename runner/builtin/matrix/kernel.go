//go:build goexperiment.simd && amd64

package matrix

import "simd/archsimd"

// kernel adds tile (4 x depth, column after column) times panel (depth x 16) to c (4 x 16). Two steps of k in
// one turn of the loop halve the moves between registers that the compiler adds to a turn.
func kernel(c []float32, stride int, tile, panel []float32) {
	var s00, s01, s10, s11, s20, s21, s30, s31 archsimd.Float32x8
	for len(tile) >= 2*tall && len(panel) >= 2*wide {
		a, b := (*[2 * tall]float32)(tile), (*[2 * wide]float32)(panel)
		b0, b1 := archsimd.LoadFloat32x8((*[8]float32)(b[0:])), archsimd.LoadFloat32x8((*[8]float32)(b[8:]))
		x0, x1 := archsimd.BroadcastFloat32x8(a[0]), archsimd.BroadcastFloat32x8(a[1])
		s00, s01 = x0.MulAdd(b0, s00), x0.MulAdd(b1, s01)
		s10, s11 = x1.MulAdd(b0, s10), x1.MulAdd(b1, s11)
		x0, x1 = archsimd.BroadcastFloat32x8(a[2]), archsimd.BroadcastFloat32x8(a[3])
		s20, s21 = x0.MulAdd(b0, s20), x0.MulAdd(b1, s21)
		s30, s31 = x1.MulAdd(b0, s30), x1.MulAdd(b1, s31)
		b0, b1 = archsimd.LoadFloat32x8((*[8]float32)(b[16:])), archsimd.LoadFloat32x8((*[8]float32)(b[24:]))
		x0, x1 = archsimd.BroadcastFloat32x8(a[4]), archsimd.BroadcastFloat32x8(a[5])
		s00, s01 = x0.MulAdd(b0, s00), x0.MulAdd(b1, s01)
		s10, s11 = x1.MulAdd(b0, s10), x1.MulAdd(b1, s11)
		x0, x1 = archsimd.BroadcastFloat32x8(a[6]), archsimd.BroadcastFloat32x8(a[7])
		s20, s21 = x0.MulAdd(b0, s20), x0.MulAdd(b1, s21)
		s30, s31 = x1.MulAdd(b0, s30), x1.MulAdd(b1, s31)
		tile, panel = tile[2*tall:], panel[2*wide:]
	}
	if len(tile) >= tall && len(panel) >= wide {
		a, b := (*[tall]float32)(tile), (*[wide]float32)(panel)
		b0, b1 := archsimd.LoadFloat32x8((*[8]float32)(b[0:])), archsimd.LoadFloat32x8((*[8]float32)(b[8:]))
		x0, x1 := archsimd.BroadcastFloat32x8(a[0]), archsimd.BroadcastFloat32x8(a[1])
		s00, s01 = x0.MulAdd(b0, s00), x0.MulAdd(b1, s01)
		s10, s11 = x1.MulAdd(b0, s10), x1.MulAdd(b1, s11)
		x0, x1 = archsimd.BroadcastFloat32x8(a[2]), archsimd.BroadcastFloat32x8(a[3])
		s20, s21 = x0.MulAdd(b0, s20), x0.MulAdd(b1, s21)
		s30, s31 = x1.MulAdd(b0, s30), x1.MulAdd(b1, s31)
	}
	addTo(c, s00, s01)
	addTo(c[stride:], s10, s11)
	addTo(c[2*stride:], s20, s21)
	addTo(c[3*stride:], s30, s31)
}

// addTo adds 16 sums to c.
func addTo(c []float32, s0, s1 archsimd.Float32x8) {
	archsimd.LoadFloat32x8Slice(c).Add(s0).StoreSlice(c)
	archsimd.LoadFloat32x8Slice(c[8:]).Add(s1).StoreSlice(c[8:])
}
