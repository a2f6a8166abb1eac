package nn

// The functions below are written in AVX2 and FMA instructions; what they compute is written in Go where they are called,
// which is also what runs on other processors. All of them need multiples of eight, and at least eight.

//go:noescape
func affine8(dst, x, factor, shift *float32, channels, rows int)

//go:noescape
func affineSiLU8(dst, x, factor, shift *float32, channels, rows int)

//go:noescape
func sigmoid8(x *float32, n int, factor float32)

//go:noescape
func geglu8(dst, value, gate *float32, n int)

//go:noescape
func softmax8(x *float32, n int, scale float32)

//go:noescape
func sum8(dst, a, b *float32, n int)

// sums8 writes the sums of the channels and behind them those of their squares.
//
//go:noescape
func sums8(sums *float64, x *float32, channels, rows int)

// moments8 is the sum of x and the sum of its squares.
//
//go:noescape
func moments8(x *float32, n int) (sum, square float64)
