package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/easelgrid/easel/api"
)

// A bar shows one job's progress on one line of a terminal; elsewhere it shows nothing.
type bar struct {
	out   *os.File
	label string
	shown bool
}

func newBar(label string) *bar { return &bar{out: os.Stderr, label: label} }

const barWidth = 24

// show redraws the line.
func (b *bar) show(p api.Progress) {
	if !term.IsTerminal(int(b.out.Fd())) {
		return
	}
	b.shown = true
	fmt.Fprint(b.out, "\r\x1b[K"+b.line(p))
}

// line draws the bar. The numbers and the phase come from a node and can be anything.
func (b *bar) line(p api.Progress) string {
	filled := 0
	if p.Steps > 0 {
		filled = int(barWidth * min(max(float64(p.Step)/float64(p.Steps), 0), 1))
	}
	return fmt.Sprintf("%s  \x1b[36m%s\x1b[2m%s\x1b[0m %s %d/%d", b.label,
		strings.Repeat("━", filled), strings.Repeat("━", barWidth-filled), plain(string(p.Phase)), p.Step, p.Steps)
}

// plain takes control characters out of a text from elsewhere, so that it cannot order the terminal
// about. Lines and tabs stay.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// clear removes the line, so that what is printed next stands alone.
func (b *bar) clear() {
	if b.shown {
		fmt.Fprint(b.out, "\r\x1b[K")
		b.shown = false
	}
}

// writeJSON prints one value as indented JSON.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
