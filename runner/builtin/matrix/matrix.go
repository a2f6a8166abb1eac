// Package matrix is the one door to matrix products of float32 in the engine.
//
// Behind it stand two implementations: gonum's Sgemm, which runs everywhere, and a kernel of AVX2 and FMA
// instructions, which is used where the processor has them. Every element of a product is summed over k from 0
// upwards, in one order, however the rows are divided among calls. So a result does not depend on GOMAXPROCS.
package matrix

import (
	"fmt"
	"slices"
)

// View is a row-major matrix in a longer slice: element (i, j) is Data[i*Stride+j].
type View struct {
	Data               []float32
	Rows, Cols, Stride int
}

// Dense views data as rows times cols without gaps.
func Dense(data []float32, rows, cols int) View {
	return View{Data: data[:rows*cols], Rows: rows, Cols: cols, Stride: cols}
}

// Slice returns rows [from, to).
func (v View) Slice(from, to int) View {
	v.Data = v.Data[from*v.Stride:]
	v.Rows = to - from
	return v
}

// set makes every row the given one, or zero for nil.
func (v View) set(row []float32) {
	for i := range v.Rows {
		to := v.Data[i*v.Stride : i*v.Stride+v.Cols]
		if row == nil {
			clear(to)
			continue
		}
		copy(to, row)
	}
}

// check panics where v reaches past its data.
func (v View) check() {
	if v.Rows > 0 && v.Cols > 0 {
		_ = v.Data[(v.Rows-1)*v.Stride+v.Cols-1]
	}
}

// Operand is a right-hand matrix of K rows and N columns, kept in the order in which the product reads it.
type Operand struct {
	K, N int
	data []float32
}

// door is one implementation of the product.
type door interface {
	// name is for tests and benchmarks.
	name() string
	// size is the number of floats that an operand of k x n takes.
	size(k, n int) int
	// fill stores b in dst; transposed means that b is n x k.
	fill(dst []float32, b View, transposed bool)
	// add adds a*b, which is K x N of o, to o.
	add(o *Operand, a View, b *Operand)
	// scratch is the number of floats of memory that a product of that many rows of patches needs.
	scratch(a Patches, rows int) int
	// multiply computes c = a*b + bias, bias being one value per column or nil.
	multiply(c View, a Patches, b *Operand, bias, scratch []float32)
}

// active is the fastest implementation of this build on this processor.
var active = fastest()

func fastest() door {
	all := doors()
	return all[len(all)-1]
}

// Name is the implementation in use: "gonum" or "avx2".
func Name() string { return active.name() }

// Vectors reports whether the implementation in use is one of AVX2 instructions, so that the layers between the products
// choose the same.
func Vectors() bool { return active.name() == "avx2" }

// Names lists the implementations of this build that this processor can run, slowest first.
func Names() []string {
	var names []string
	for _, d := range doors() {
		names = append(names, d.name())
	}
	return names
}

// Select switches to another implementation, for comparing them. Operands made before are of no use after, and
// it must not be called while anything else is.
func Select(name string) error {
	for _, d := range doors() {
		if d.name() == name {
			active = d
			return nil
		}
	}
	return fmt.Errorf("there is no matrix product named %q in this build on this processor", name)
}

// Size returns the number of floats that an operand of k x n takes.
func Size(k, n int) int { return active.size(k, n) }

// New makes an operand from b, which is K x N, or N x K when transposed.
func New(b View, transposed bool) *Operand {
	k, n := b.Rows, b.Cols
	if transposed {
		k, n = n, k
	}
	o := Place(make([]float32, active.size(k, n)), k, n)
	o.Fill(b, transposed)
	return &o
}

// Place makes an operand of k x n in the caller's memory, which holds at least Size(k, n) floats. Its
// contents are undefined until Fill.
func Place(memory []float32, k, n int) Operand {
	return Operand{K: k, N: n, data: memory[:active.size(k, n)]}
}

// Fill replaces the operand's contents by b, which is K x N, or N x K when transposed.
func (o *Operand) Fill(b View, transposed bool) { active.fill(o.data, b, transposed) }

// Clone returns a copy.
func (o *Operand) Clone() *Operand { return &Operand{K: o.K, N: o.N, data: slices.Clone(o.data)} }

// Copy makes o's contents those of an operand of the same size.
func (o *Operand) Copy(from *Operand) { copy(o.data, from.data) }

// AddProduct adds a*b, a being o.K x b.K and b being b.K x o.N.
func (o *Operand) AddProduct(a View, b *Operand) {
	if a.Rows != o.K || a.Cols != b.K || b.N != o.N {
		panic(fmt.Sprintf("matrix: %d x %d times %d x %d added to %d x %d", a.Rows, a.Cols, b.K, b.N, o.K, o.N))
	}
	a.check()
	if o.K > 0 && o.N > 0 && b.K > 0 {
		active.add(o, a, b)
	}
}

// Multiply computes c = a*b + bias. a is M x K, b is K x N, c is M x N and must not overlap a. bias has one
// value per column, or is nil. It runs on the calling goroutine; callers that divide the rows of a among
// goroutines get the same bits.
func Multiply(c, a View, b *Operand, bias []float32) {
	if c.Rows == 0 || b.N == 0 {
		return
	}
	if b.K == 0 {
		c.set(bias)
		return
	}
	Convolve(c, Rows(a), b, bias, nil)
}

// Scratch returns the number of floats of memory that Convolve needs for so many rows of a.
func Scratch(a Patches, rows int) int { return active.scratch(a, rows) }

// Convolve is Multiply for a left-hand side of patches, of which c's rows are a.From and on. scratch is
// memory of the size that Scratch returns.
func Convolve(c View, a Patches, b *Operand, bias, scratch []float32) {
	if a.Runs*a.Run != b.K || c.Cols != b.N {
		panic(fmt.Sprintf("matrix: patches of %d times an operand of %d x %d into %d columns", a.Runs*a.Run, b.K, b.N, c.Cols))
	}
	a.check(c.Rows)
	c.check()
	active.multiply(c, a, b, bias, scratch)
}
