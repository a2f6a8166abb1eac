package builtin

import (
	"fmt"
	"slices"

	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/prompt"
)

// guided is diffusers' do_classifier_free_guidance.
func (r Request) guided() bool { return r.GuidanceScale > 1 }

// texts are the states of a request's prompts, (1, 1, T, width) each, with T the same for both.
type texts struct{ negative, positive nn.Tensor }

// encodeText encodes the negative prompt, where it is of use, and the prompt.
func (p *Pipeline) encodeText(r Request) (texts, error) {
	negative := r.NegativePrompt
	if !r.guided() && !r.Inversion {
		negative = "" // its length must not matter
	}
	yes, no, err := prompt.Pair(p.tokenizer, r.Prompt, negative)
	if err != nil {
		return texts{}, err
	}
	both, err := p.states(no.IDs, yes.IDs, r.ClipSkip)
	if err != nil {
		return texts{}, fmt.Errorf("encode the prompt: %w", err)
	}
	half := len(both.Data) / 2
	no.Apply(both.Data[:half], both.C)
	yes.Apply(both.Data[half:], both.C)
	// The chunks of a prompt lie one behind the other.
	tokens := both.N / 2 * both.W
	return texts{
		negative: nn.Tensor{N: 1, H: 1, W: tokens, C: both.C, Data: both.Data[:half]},
		positive: nn.Tensor{N: 1, H: 1, W: tokens, C: both.C, Data: both.Data[half:]},
	}, nil
}

// states are those of the negative chunks and, behind them, of the positive ones. As in diffusers, clip skip is
// for the prompt alone.
func (p *Pipeline) states(negative, positive [][]int, skip int) (nn.Tensor, error) {
	if skip == 0 {
		return p.text.Forward(&p.arena, slices.Concat(negative, positive), 0)
	}
	first := p.arena.Tensor(len(negative)+len(positive), 1, len(negative[0]), p.text.Config.Width)
	mark := p.arena.Mark()
	defer p.arena.Release(mark)
	no, err := p.text.Forward(&p.arena, negative, 0)
	if err != nil {
		return nn.Tensor{}, err
	}
	yes, err := p.text.Forward(&p.arena, positive, skip)
	copy(first.Data[copy(first.Data, no.Data):], yes.Data)
	return first, err
}

// pair is both as a batch, which they are in memory.
func (t texts) pair() nn.Tensor {
	n := len(t.negative.Data)
	both := t.negative
	both.N, both.Data = 2, t.negative.Data[:2*n]
	return both
}
