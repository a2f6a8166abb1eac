package dialect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/easelgrid/easel/api"
)

// ParseSize reads "WIDTHxHEIGHT" in pixels, such as "1024x768": two numbers from 1 to 99999 without
// signs or leading zeros.
func ParseSize(text string) (width, height int, ok bool) {
	w, h, both := strings.Cut(text, "x")
	width, okWidth := side(w)
	height, okHeight := side(h)
	return width, height, both && okWidth && okHeight
}

// SetSize asks for pictures of this size. One whose sides no model can make is made at the nearest size
// there is, and the pictures are brought to the one asked for.
func SetSize(job *api.JobRequest, width, height int) {
	w, h := makeable(width), makeable(height)
	job.Width, job.Height = &w, &h
	if w != width || h != height {
		job.OutputWidth, job.OutputHeight = &width, &height
	}
}

func makeable(side int) int {
	const step = api.SizeStep
	return min(max((side+step/2)/step*step, api.MinSide), api.MaxSide)
}

// SizeText is a size for people, such as "1024 x 768 pixels".
func SizeText(width, height int) string { return fmt.Sprintf("%d x %d pixels", width, height) }

func side(text string) (int, bool) {
	if text == "" || len(text) > 5 || text[0] == '0' {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}
