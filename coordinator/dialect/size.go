package dialect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/easelgrid/easel/api"
)

// Sizing is what becomes of a size that the model cannot make and the catalog does not bring to size.
type Sizing int

// The ways to deal with such a size.
const (
	ExactSize   Sizing = iota // it is a fault of the request
	NearestSize               // pictures are made at the nearest size there is and brought to the one asked for
	ModelSize                 // the model's own size is as good: the vendor has a default, and the client named none
)

// Resized returns the job at another size where its Sizing has one for a job that was refused with err.
func (r Request) Resized(err error) (api.JobRequest, bool) {
	job := r.Job
	switch {
	case r.Sizing == ModelSize && Faulty(err, "width", "height", "width x height"):
		job.Width, job.Height = nil, nil
		return job, true
	case r.Sizing == NearestSize && Faulty(err, "width", "height") && job.Width != nil && job.Height != nil:
		width, height := makeable(*job.Width), makeable(*job.Height)
		job.OutputWidth, job.OutputHeight = job.Width, job.Height
		job.Width, job.Height = &width, &height
		return job, width != *job.OutputWidth || height != *job.OutputHeight
	}
	return job, false
}

func makeable(side int) int {
	const step = api.SizeStep
	return min(max((side+step/2)/step*step, api.MinSide), api.MaxSide)
}

// ParseSize reads "WIDTHxHEIGHT" in pixels, such as "1024x768": two numbers from 1 to 99999 without
// signs or leading zeros.
func ParseSize(text string) (width, height int, ok bool) {
	w, h, both := strings.Cut(text, "x")
	width, okWidth := side(w)
	height, okHeight := side(h)
	return width, height, both && okWidth && okHeight
}

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

// SizeText is a size for people, such as "1024 x 768 pixels".
func SizeText(width, height int) string { return fmt.Sprintf("%d x %d pixels", width, height) }
