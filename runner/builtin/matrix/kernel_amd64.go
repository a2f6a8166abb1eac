package matrix

// tile is where the kernel finds what it multiplies. Row r of the left side is a[r] with its runs, each of run
// floats and step bytes behind the one before; the right side is a panel, wide floats for each of those.
type tile struct {
	a    [tall]*float32
	b    *float32
	run  int // floats in a run, at least 1
	runs int // at least 1
	step int // bytes from a run to the next
}

// tile6 adds six rows times a panel to 6 x 16 elements of c, whose rows are stride bytes apart, in AVX2 and FMA
// instructions: 12 registers of sums, two of the panel, two of the rows.
//
//go:noescape
func tile6(t *tile, c *float32, stride int)

// tile2 does the same for the first two rows.
//
//go:noescape
func tile2(t *tile, c *float32, stride int)
