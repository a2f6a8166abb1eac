//go:build !amd64

package nn

// These are never called: matrix.Vectors is false here.

func affine8(dst, x, factor, shift *float32, channels, rows int)     { panic("nn: no vectors") }
func affineSiLU8(dst, x, factor, shift *float32, channels, rows int) { panic("nn: no vectors") }
func sigmoid8(x *float32, n int, factor float32)                     { panic("nn: no vectors") }
func geglu8(dst, value, gate *float32, n int)                        { panic("nn: no vectors") }
func softmax8(x *float32, n int, scale float32)                      { panic("nn: no vectors") }
func sum8(dst, a, b *float32, n int)                                 { panic("nn: no vectors") }
func sums8(sums *float64, x *float32, channels, rows int)            { panic("nn: no vectors") }
func moments8(x *float32, n int) (sum, square float64)               { panic("nn: no vectors") }
