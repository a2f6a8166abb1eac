// Package tokenizer turns a prompt into the token ids of CLIP, as transformers' CLIPTokenizer does: Unicode
// composition, white space to single blanks, lower case, words by a fixed pattern, bytes to printable
// symbols, and byte-pair merges inside each word (Sennrich, Haddow and Birch 2015, arXiv:1508.07909).
package tokenizer

import (
	"fmt"
	"strings"
)

// Tokenizer holds a vocabulary. It is read-only and safe for concurrent use.
type Tokenizer struct {
	vocabulary map[string]int
	merges     map[[2]int]merge
	specials   []special // longest first
	symbols    [256]string

	begin, end, pad, unknown int
	length                   int
}

// special is a token that stands for itself in a prompt.
type special struct {
	text string
	id   int
	// normalized means that it is looked for after normalisation, so in any case of letters.
	normalized bool
}

// merge is what two neighbouring tokens become, and how early that merge comes.
type merge struct{ rank, id int }

// Length is the number of ids that Encode returns: model_max_length.
func (t *Tokenizer) Length() int { return t.length }

// Size is one more than the highest token id.
func (t *Tokenizer) Size() int {
	top := 0
	for _, id := range t.vocabulary {
		top = max(top, id)
	}
	return top + 1
}

// Begin is the id that opens a sequence.
func (t *Tokenizer) Begin() int { return t.begin }

// End is the id that closes a sequence.
func (t *Tokenizer) End() int { return t.end }

// Pad is the id that fills a sequence up behind its end.
func (t *Tokenizer) Pad() int { return t.pad }

// Encode returns Length ids: the begin token, the prompt's tokens as far as there is room, the end token and
// padding.
func (t *Tokenizer) Encode(prompt string) []int {
	ids := append(make([]int, 0, t.length), t.begin)
	ids = append(t.appendTokens(ids, prompt, t.length-1), t.end)
	for len(ids) < t.length {
		ids = append(ids, t.pad)
	}
	return ids
}

// Tokens returns the ids of the text alone, without begin, end and padding: its first limit ones if it has more.
func (t *Tokenizer) Tokens(text string, limit int) []int {
	return t.appendTokens(nil, text, max(limit, 0))
}

// appendTokens appends the ids of text until there are limit ids.
func (t *Tokenizer) appendTokens(ids []int, text string, limit int) []int {
	ids = t.split(ids, text, limit, false, func(ids []int, text string) []int {
		return t.split(ids, normalize(text), limit, true, func(ids []int, text string) []int {
			return t.appendWords(ids, text, limit)
		})
	})
	return ids[:min(len(ids), limit)]
}

// split appends the ids of the special tokens of one kind in text and, by between, those of what lies between
// them. It stops when there are limit ids or more.
func (t *Tokenizer) split(ids []int, text string, limit int, normalized bool, between func([]int, string) []int) []int {
	for text != "" && len(ids) < limit {
		at, found := t.nextSpecial(text, normalized)
		ids = between(ids, text[:at])
		text = text[at:]
		if found != nil {
			ids = append(ids, found.id)
			text = text[len(found.text):]
		}
	}
	return ids
}

// nextSpecial returns how much text comes before the first special token, and that token, if there is one.
func (t *Tokenizer) nextSpecial(text string, normalized bool) (int, *special) {
	at, found := len(text), (*special)(nil)
	for i, s := range t.specials {
		if j := strings.Index(text, s.text); s.normalized == normalized && j >= 0 && j < at {
			at, found = j, &t.specials[i]
		}
	}
	return at, found
}

// appendWords appends the ids of normalised text without special tokens, until there are limit ids or more.
func (t *Tokenizer) appendWords(ids []int, text string, limit int) []int {
	for text != "" && len(ids) < limit {
		var word string
		word, text = nextWord(text)
		if word != "" {
			ids = append(ids, t.pairs(word)...)
		}
	}
	return ids
}

// byteSymbols are the printable stand-ins for the 256 bytes: a byte that prints stands for itself, the others
// for the characters from 256 up.
func byteSymbols() [256]string {
	var symbols [256]string
	spare := rune(256)
	for b := range 256 {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xff && b != 0xad {
			symbols[b] = string(rune(b))
			continue
		}
		symbols[b] = string(spare)
		spare++
	}
	return symbols
}

// check makes sure that every id is one that a table of the vocabulary's size can hold.
func (t *Tokenizer) check() error {
	const limit = 1 << 22
	for token, id := range t.vocabulary {
		if id < 0 || id >= limit {
			return fmt.Errorf("the token %q has the id %d, which is not in 0 to %d", token, id, limit-1)
		}
	}
	return nil
}
