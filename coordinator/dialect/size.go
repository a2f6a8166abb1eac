package dialect

import (
	"context"
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

// SubmitSized submits a request for pictures of a size that no model may be able to make, such as
// 1366x768. Where the catalog does not bring such pictures to size, they are made at the nearest size
// there is and brought to the one asked for.
func SubmitSized(ctx context.Context, s Service, who Caller, r Request) (api.Job, error) {
	job, err := s.Submit(ctx, who, r)
	if !Faulty(err, "width", "height") || r.Job.Width == nil || r.Job.Height == nil {
		return job, err
	}
	width, height := *r.Job.Width, *r.Job.Height
	w, h := makeable(width), makeable(height)
	if w == width && h == height {
		return job, err
	}
	r.Job.Width, r.Job.Height, r.Job.OutputWidth, r.Job.OutputHeight = &w, &h, &width, &height
	return s.Submit(ctx, who, r)
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
