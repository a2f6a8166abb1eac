// Package prompt reads prompts with weighted words, and longer ones than the text encoder takes at once.
//
// Brackets weigh what is between them, in the notation that users of the AUTOMATIC1111 web interface know:
//
//	(cat)        1.1
//	((cat))      1.21: brackets in brackets multiply
//	[cat]        1 / 1.1
//	(cat:1.3)    1.3
//	\( \) \[ \] \\   the character itself
//
// A bracket that is never closed reaches to the end of the prompt, one that was never opened is text, and so is
// ":word" or ":1.2.3" before a closing bracket. A bracket that was meant as text weighs too: "a cat (black)"
// draws a cat that is a little blacker. A backslash before any other character is text.
//
// runner/diffusers/worker/prompts.py does the same for the diffusers runtime; testdata/cases.json holds both to
// one table.
package prompt

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MaxWeight is the largest weight of a word, written or multiplied. The smallest is 0.
const MaxWeight = 10

// step is the factor of a round bracket without a number; a square one divides by it.
const step float64 = 1.1

// Piece is a part of a prompt with one weight.
type Piece struct {
	Text   string
	Weight float32
}

// Parse divides a prompt into pieces. No piece is empty and neighbours differ in weight, so a prompt without
// weights is one piece, and an empty one none. A weight outside 0 to MaxWeight is an error that names it.
func Parse(text string) ([]Piece, error) {
	marks, err := pair(scan(text))
	if err != nil {
		return nil, err
	}
	// Brackets of one kind nest, brackets of two kinds may cross, "(a [b) c]". So each kind has a stack.
	round, square := []float64{1}, []float64{1}
	var pieces []Piece
	for _, m := range marks {
		switch m.kind {
		case '(':
			round = append(round, round[len(round)-1]*m.factor)
		case '[':
			square = append(square, square[len(square)-1]*m.factor)
		case ')':
			round = round[:len(round)-1]
		case ']':
			square = square[:len(square)-1]
		default:
			weight := round[len(round)-1] * square[len(square)-1]
			if !(weight <= MaxWeight) {
				return nil, fmt.Errorf("got the weight %.4g by brackets in brackets, want at most %d", weight, MaxWeight)
			}
			pieces = append(pieces, Piece{m.text, float32(weight)})
		}
	}
	return joined(pieces), nil
}

// joined makes one piece of neighbours with equal weights.
func joined(pieces []Piece) []Piece {
	var out []Piece
	for len(pieces) > 0 {
		n := slices.IndexFunc(pieces, func(p Piece) bool { return p.Weight != pieces[0].Weight })
		if n < 0 {
			n = len(pieces)
		}
		var text strings.Builder
		for _, p := range pieces[:n] {
			text.WriteString(p.Text)
		}
		out = append(out, Piece{text.String(), pieces[0].Weight})
		pieces = pieces[n:]
	}
	return out
}

// Escape returns the prompt that Parse reads as text, weight 1.
func Escape(text string) string { return escaper.Replace(text) }

var escaper = strings.NewReplacer(`\`, `\\`, `(`, `\(`, `)`, `\)`, `[`, `\[`, `]`, `\]`)

// mark is a bracket or a run of text.
type mark struct {
	kind   byte    // one of ()[], or 0 for text
	text   string  // as it counts where it is text: a bracket may turn out to be
	number string  // of ")": the weight written before it, or ""
	factor float64 // of an opening bracket
}

// written matches a weight with the bracket that it closes.
var written = regexp.MustCompile(`^:[ \t\n\f\r]*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))[ \t\n\f\r]*\)`)

// scan cuts a prompt into brackets and text.
func scan(text string) []mark {
	var marks []mark
	for text != "" {
		m, size := mark{kind: text[0], text: text[:1]}, 1
		switch text[0] {
		case '(':
			m.factor = step
		case '[':
			m.factor = 1 / step
		case ')', ']':
		case '\\':
			m.kind = 0
			if len(text) > 1 && strings.IndexByte(`\()[]`, text[1]) >= 0 {
				m.text, size = text[1:2], 2
			}
		case ':':
			m.kind = 0
			if found := written.FindStringSubmatch(text); found != nil {
				m, size = mark{kind: ')', text: found[0], number: found[1]}, len(found[0])
			}
		default:
			if size = strings.IndexAny(text, `\()[]:`); size < 0 {
				size = len(text)
			}
			m = mark{text: text[:size]}
		}
		marks, text = append(marks, m), text[size:]
	}
	return marks
}

// pair gives opening brackets the weights that are written at their ends, and makes text of closing brackets
// that close nothing.
func pair(marks []mark) ([]mark, error) {
	open := map[byte][]int{}
	for i := range marks {
		m := &marks[i]
		switch m.kind {
		case '(', '[':
			open[m.kind] = append(open[m.kind], i)
		case ')', ']':
			kind := byte('(')
			if m.kind == ']' {
				kind = '['
			}
			last := len(open[kind]) - 1
			if last < 0 {
				m.kind = 0
				continue
			}
			opener := &marks[open[kind][last]]
			open[kind] = open[kind][:last]
			if m.number == "" {
				continue
			}
			var err error
			if opener.factor, err = strconv.ParseFloat(m.number, 64); err != nil || opener.factor < 0 || opener.factor > MaxWeight {
				return nil, fmt.Errorf("got the weight %.20s, want 0 to %d", m.number, MaxWeight)
			}
		}
	}
	return marks, nil
}
