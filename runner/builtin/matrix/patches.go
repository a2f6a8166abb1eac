package matrix

// Patches is a left-hand matrix that lies in pictures without being written down: one row per output pixel of a
// convolution, in the order (picture, line, pixel). A row is Runs runs of Run floats; in a picture with the channels
// innermost a run is one line of the patch.
type Patches struct {
	Data                             []float32
	Width, Lines                     int // output pixels in a line, lines in a picture
	PixelStep, LineStep, PictureStep int // floats between the patches of neighbours
	Run, Runs, RunStep               int
	From                             int // the row that is the first of the product
}

// Rows views a plain matrix as patches of one run.
func Rows(a View) Patches {
	return Patches{Data: a.Data, Width: max(a.Rows, 1), Lines: 1, PixelStep: a.Stride, Run: a.Cols, Runs: 1}
}

// start returns the index in Data at which row i begins.
func (p *Patches) start(i int) int {
	line, x := i/p.Width, i%p.Width
	return line/p.Lines*p.PictureStep + line%p.Lines*p.LineStep + x*p.PixelStep
}

// plain reports whether the rows are those of a matrix.
func (p *Patches) plain() bool { return p.Runs == 1 && p.Lines == 1 }

// walk is a place in a walk along the rows.
type walk struct{ at, x, line, lineAt, pictureAt int }

// walk begins at the first row.
func (p *Patches) walk() walk {
	y, x := p.From/p.Width, p.From%p.Width
	w := walk{x: x, line: y % p.Lines, pictureAt: y / p.Lines * p.PictureStep}
	w.lineAt = w.pictureAt + w.line*p.LineStep
	w.at = w.lineAt + x*p.PixelStep
	return w
}

// advance goes to the next row.
func (w *walk) advance(p *Patches) {
	w.x++
	w.at += p.PixelStep
	if w.x < p.Width {
		return
	}
	w.x, w.line = 0, w.line+1
	w.lineAt += p.LineStep
	if w.line == p.Lines {
		w.line = 0
		w.pictureAt += p.PictureStep
		w.lineAt = w.pictureAt
	}
	w.at = w.lineAt
}

// check panics where rows rows of p reach past its data: the instructions that follow check nothing.
func (p *Patches) check(rows int) {
	if rows == 0 {
		return
	}
	last := p.start(p.From+rows-1) + (p.Runs-1)*p.RunStep + p.Run - 1
	_ = p.Data[last]
}

// write writes the rows down.
func (p *Patches) write(dst []float32, rows int) {
	for i := range rows {
		at := p.start(p.From + i)
		for r := range p.Runs {
			n := copy(dst[:p.Run], p.Data[at+r*p.RunStep:])
			dst = dst[n:]
		}
	}
}
