package shapes

import (
	"regexp"
	"slices"
	"strings"
)

// figurePattern and captionPattern are the grammar that NewScene writes.
var (
	figurePattern  = regexp.MustCompile(`^an? (?:(small|large) )?(\w+) (\w+)(?: (on the left|on the right|at the top|at the bottom|in the center))?$`)
	captionPattern = regexp.MustCompile(`^(.+) on an? (\w+) background$`)
)

// Parse reads a caption that NewScene could have written.
func Parse(caption string) (Scene, bool) {
	m := captionPattern.FindStringSubmatch(caption)
	if m == nil || colorIndex(m[2]) < 0 {
		return Scene{}, false
	}
	var figures []Figure
	for text := range strings.SplitSeq(m[1], " and ") {
		f := figurePattern.FindStringSubmatch(text)
		if f == nil || colorIndex(f[2]) < 0 || !slices.Contains(Names, f[3]) {
			return Scene{}, false
		}
		figures = append(figures, Figure{Size: f[1], Color: f[2], Shape: f[3], Position: f[4]})
	}
	if len(figures) > 2 {
		return Scene{}, false
	}
	return NewScene(m[2], figures...), true
}
