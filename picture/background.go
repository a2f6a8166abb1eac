package picture

import (
	"image"
	"slices"
)

// Distances of a pixel from the background colour, in levels of the channel that differs most: at most
// none of the subject, and at least all of it.
const (
	surelyBackground = 10
	surelySubject    = 60
)

// cutOut makes the plain background of a picture transparent. The background's colour is the median of
// the border's pixels. Pixels between background and subject, as on an edge, become half transparent and
// lose the background's share of their colour (Porter and Duff 1984, section 4, solved for the
// foreground).
func cutOut(picture *image.NRGBA) {
	back := borderColour(picture)
	for at := 0; at < len(picture.Pix); at += 4 {
		pixel := picture.Pix[at : at+4 : at+4]
		distance := 0
		for c, b := range back {
			distance = max(distance, abs(int(pixel[c])-int(b)))
		}
		share := float64(distance-surelyBackground) / (surelySubject - surelyBackground)
		switch {
		case share <= 0:
			clear(pixel)
		case share < 1:
			for c, b := range back {
				own := (float64(pixel[c]) - (1-share)*float64(b)) / share
				pixel[c] = uint8(min(max(own+0.5, 0), 255))
			}
			pixel[3] = uint8(share*255 + 0.5)
		}
	}
}

func borderColour(picture *image.NRGBA) [3]uint8 {
	var channels [3][]uint8
	size := picture.Rect.Size()
	for y := range size.Y {
		for x := range size.X {
			if x > 0 && y > 0 && x < size.X-1 && y < size.Y-1 {
				continue
			}
			pixel := picture.Pix[y*picture.Stride+4*x:]
			for c := range channels {
				channels[c] = append(channels[c], pixel[c])
			}
		}
	}
	var median [3]uint8
	for c, all := range channels {
		slices.Sort(all)
		median[c] = all[len(all)/2]
	}
	return median
}

func abs(x int) int {
	if x < 0 {
		return -x
	}
	return x
}
