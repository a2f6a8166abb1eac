package tokenizer

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// composeText is the data of Unicode's normalisation; scripts/golden/compose.py writes it.
//
//go:embed compose.txt
var composeText string

// composition holds the data by rune.
type composition struct {
	class map[rune]int
	parts map[rune][]rune
	whole map[[2]rune]rune
}

var compositions = sync.OnceValue(func() *composition {
	c := &composition{map[rune]int{}, map[rune][]rune{}, map[[2]rune]rune{}}
	for line := range strings.Lines(composeText) {
		c.add(strings.Fields(line))
	}
	return c
})

// add reads one line.
func (c *composition) add(fields []string) {
	points := make([]rune, len(fields))
	for i, f := range fields {
		n, _ := strconv.ParseUint(f, 16, 32)
		points[i] = rune(n)
	}
	switch fields[0] {
	case "C":
		class, _ := strconv.Atoi(fields[3])
		for r := points[1]; r <= points[2]; r++ {
			c.class[r] = class
		}
	case "P":
		c.whole[[2]rune{points[2], points[3]}] = points[1]
		c.parts[points[1]] = points[2:]
	case "S":
		c.parts[points[1]] = points[2:]
	}
}

// firstMark is the first character that composition can change.
const firstMark = 0x300

// compose brings text to Unicode's normalisation form C (Unicode Standard Annex 15): characters that are
// written in parts become one where there is such a one.
func compose(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= firstMark }) {
		return text
	}
	c := compositions()
	var apart []rune
	for _, r := range text {
		apart = c.decompose(apart, r)
	}
	c.sort(apart)
	return string(c.join(apart))
}

// Hangul syllables are numbered by their two or three parts (Unicode Standard, section 3.12).
const (
	syllables, leads, vowels, tails  = 0xac00, 0x1100, 0x1161, 0x11a7
	leadCount, vowelCount, tailCount = 19, 21, 28
	syllableCount                    = leadCount * vowelCount * tailCount
)

// decompose appends the parts of r, down to those that have none.
func (c *composition) decompose(out []rune, r rune) []rune {
	if n := r - syllables; n >= 0 && n < syllableCount {
		out = append(out, leads+n/(vowelCount*tailCount), vowels+n/tailCount%vowelCount)
		if n%tailCount != 0 {
			out = append(out, tails+n%tailCount)
		}
		return out
	}
	parts, ok := c.parts[r]
	if !ok {
		return append(out, r)
	}
	for _, p := range parts {
		out = c.decompose(out, p)
	}
	return out
}

// sort brings each run of combining marks into the order of their classes.
func (c *composition) sort(text []rune) {
	for from := 0; from < len(text); from++ {
		to := from
		for to < len(text) && c.class[text[to]] != 0 {
			to++
		}
		slices.SortStableFunc(text[from:to], func(a, b rune) int { return c.class[a] - c.class[b] })
		from = to
	}
}

// join composes each mark with the last starter before it, unless a mark of the same class or a starter
// stands between.
func (c *composition) join(text []rune) []rune {
	out, starter, last := text[:0], -1, 0
	for _, r := range text {
		class := c.class[r]
		adjacent := starter == len(out)-1
		if starter >= 0 && (adjacent || last != 0 && last < class) {
			if whole, ok := c.pair(out[starter], r); ok {
				out[starter] = whole
				continue
			}
		}
		if class == 0 {
			starter = len(out)
		}
		last = class
		out = append(out, r)
	}
	return out
}

// pair returns what two characters compose to.
func (c *composition) pair(a, b rune) (rune, bool) {
	if l, v := a-leads, b-vowels; l >= 0 && l < leadCount && v >= 0 && v < vowelCount {
		return syllables + (l*vowelCount+v)*tailCount, true
	}
	if s, t := a-syllables, b-tails; s >= 0 && s < syllableCount && s%tailCount == 0 && t > 0 && t < tailCount {
		return a + t, true
	}
	whole, ok := c.whole[[2]rune{a, b}]
	return whole, ok
}
