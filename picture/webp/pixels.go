package webp

import (
	"image"
	"image/color"
)

// pixels gives m's colours without alpha premultiplied, with the origin at 0,0 and no gaps between
// rows. Pictures that already store that keep every value, even below zero alpha.
func pixels(m image.Image) *image.NRGBA {
	b := m.Bounds()
	out := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	for y := range b.Dy() {
		row := out.Pix[y*out.Stride:][:4*b.Dx()]
		switch m := m.(type) {
		case *image.NRGBA:
			copy(row, m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):])
		case *image.RGBA:
			copy(row, m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):])
			for ; len(row) > 0; row = row[4:] {
				if row[3] != 255 {
					c := color.NRGBAModel.Convert(color.RGBA{row[0], row[1], row[2], row[3]}).(color.NRGBA)
					row[0], row[1], row[2] = c.R, c.G, c.B
				}
			}
		default:
			for x := range b.Dx() {
				c := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
				row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = c.R, c.G, c.B, c.A
			}
		}
	}
	return out
}
