package prompt

import (
	"errors"
	"fmt"
	"math"

	"github.com/easelgrid/easel/runner/builtin/tokenizer"
)

// MaxChunks is the largest number of chunks of a prompt: 600 tokens with CLIP's sequences of 77.
const MaxChunks = 8

// Chunks is a prompt as sequences for the text encoder. Their states, one behind the other, are the prompt's.
type Chunks struct {
	// IDs has a row per chunk: the begin token, up to Length-2 tokens, the end token and padding.
	IDs [][]int
	// Weights has the weight of every id. It is 1 for all that is no token of the prompt.
	Weights [][]float32

	tokenizer *tokenizer.Tokenizer
}

// Encode divides a prompt into chunks, at least one. Tokens flow from one to the next wherever a chunk is full.
// An unweighted prompt that has room in one chunk gives what tokenizer.Encode gives. More than MaxChunks is an
// error; it counts all tokens of a text, however long.
func Encode(t *tokenizer.Tokenizer, text string) (Chunks, error) {
	pieces, err := Parse(text)
	if err != nil {
		return Chunks{}, err
	}
	var ids []int
	var weights []float32
	for _, p := range pieces {
		for _, id := range t.Tokens(p.Text, math.MaxInt) {
			ids, weights = append(ids, id), append(weights, p.Weight)
		}
	}
	room := t.Length() - 2
	if limit := MaxChunks * room; len(ids) > limit {
		return Chunks{}, fmt.Errorf("got %d tokens, want at most %d", len(ids), limit)
	}
	c := Chunks{tokenizer: t}
	for len(ids) > room {
		c.add(ids[:room], weights[:room])
		ids, weights = ids[room:], weights[room:]
	}
	c.add(ids, weights)
	return c, nil
}

// Pair encodes a prompt and a negative prompt to equally many chunks; an error names the field.
func Pair(t *tokenizer.Tokenizer, prompt, negative string) (Chunks, Chunks, error) {
	a, errA := Encode(t, prompt)
	b, errB := Encode(t, negative)
	if errA != nil {
		errA = fmt.Errorf("prompt: %w", errA)
	}
	if errB != nil {
		errB = fmt.Errorf("negative_prompt: %w", errB)
	}
	if err := errors.Join(errA, errB); err != nil {
		return Chunks{}, Chunks{}, err
	}
	for len(a.IDs) < len(b.IDs) {
		a.add(nil, nil)
	}
	for len(b.IDs) < len(a.IDs) {
		b.add(nil, nil)
	}
	return a, b, nil
}

// add appends a chunk; there is room for the tokens.
func (c *Chunks) add(tokens []int, weights []float32) {
	ids := append([]int{c.tokenizer.Begin()}, tokens...)
	ids = append(ids, c.tokenizer.End())
	for len(ids) < c.tokenizer.Length() {
		ids = append(ids, c.tokenizer.Pad())
	}
	row := make([]float32, len(ids))
	for i := range row {
		row[i] = 1
	}
	copy(row[1:], weights)
	c.IDs, c.Weights = append(c.IDs, ids), append(c.Weights, row)
}

// Apply multiplies each state, width numbers long, by its token's weight. The states are those of all chunks,
// one behind the other. With weights of 1 they stay as they are, to the bit.
//
// The original web interface then scales each chunk to the mean that its states had before. Here nothing
// follows, as in that interface's mode "No norm". The mean is near 0, so that the scale is a division by chance:
// the shipped model's states have means of -0.009 to 0.004 at a deviation of 0.8. Over 100 of its captions the
// scale went from 0.88 to 6.1 with one word at 1.3, from -18 to 2.1 with all words at 1.1, and from -86 to 1.2
// with all words of a full chunk at 1.3. SDXL's states have the same trouble.
func (c Chunks) Apply(states []float32, width int) {
	for _, row := range c.Weights {
		for _, w := range row {
			state := states[:width]
			states = states[width:]
			if w == 1 {
				continue
			}
			for i := range state {
				state[i] *= w
			}
		}
	}
}
