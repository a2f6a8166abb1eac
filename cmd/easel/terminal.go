package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

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
	filled := 0
	if p.Steps > 0 {
		filled = barWidth * p.Step / p.Steps
	}
	fmt.Fprintf(b.out, "\r\x1b[K%s  \x1b[36m%s\x1b[2m%s\x1b[0m %s %d/%d", b.label,
		strings.Repeat("━", filled), strings.Repeat("━", barWidth-filled), p.Phase, p.Step, p.Steps)
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
