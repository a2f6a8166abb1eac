package yescale

import (
	"math"
	"strconv"
	"strings"

	"github.com/easelgrid/easel/coordinator/dialect"
)

// nearest is the size of the vendor's list that is nearest in shape to a ratio such as "16:9", the
// largest of those that are equally near.
func nearest(ratio string) (string, bool) {
	w, h, ok := strings.Cut(ratio, ":")
	width, err := strconv.ParseUint(w, 10, 16)
	if err != nil {
		ok = false
	}
	height, err := strconv.ParseUint(h, 10, 16)
	if !ok || err != nil || width == 0 || height == 0 || width > 3*height || height > 3*width {
		return "", false
	}
	want := math.Log(float64(width) / float64(height))
	best, off, area := "", math.Inf(1), 0
	for _, size := range sizes {
		w, h, _ := dialect.ParseSize(size)
		distance := math.Abs(math.Log(float64(w)/float64(h)) - want)
		const same = 1e-9
		if distance < off-same || distance < off+same && w*h > area {
			best, off, area = size, distance, w*h
		}
	}
	return best, true
}
