package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalize composes characters, replaces each run of white space by one blank and makes everything lower case.
func normalize(text string) string {
	var out strings.Builder
	blank := false
	for _, r := range norm.NFC.String(text) {
		if unicode.IsSpace(r) {
			blank = true
			continue
		}
		if blank {
			out.WriteByte(' ')
			blank = false
		}
		if r == 'İ' { // the one letter that becomes two
			out.WriteString("i\u0307")
			continue
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// contractions are words of their own, in the order of CLIP's pattern.
var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// marks are CLIP's control tokens. Written in a prompt in another case they become three words.
var marks = []string{"<|startoftext|>", "<|endoftext|>"}

// nextWord cuts the first word off text: CLIP's pattern
//
//	<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
//
// and, on what that finds, the pattern of byte-level BPE, which only divides the control tokens. The word is
// empty where text begins with white space.
func nextWord(text string) (word, rest string) {
	for _, m := range marks {
		if strings.HasPrefix(text, m) {
			return text[:2], text[2:]
		}
	}
	for _, c := range contractions {
		if strings.HasPrefix(text, c) {
			return text[:len(c)], text[len(c):]
		}
	}
	r, size := utf8.DecodeRuneInString(text)
	n := size
	switch {
	case unicode.IsSpace(r):
		return "", text[size:]
	case unicode.IsLetter(r):
		n = run(text, unicode.IsLetter)
	case unicode.IsNumber(r):
	default:
		n = run(text, func(r rune) bool { return !unicode.IsSpace(r) && !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	}
	return text[:n], text[n:]
}

// run returns the length in bytes of the longest beginning of text that has only such characters.
func run(text string, is func(rune) bool) int {
	n := strings.IndexFunc(text, func(r rune) bool { return !is(r) })
	if n < 0 {
		return len(text)
	}
	return n
}
