package builtin

import (
	"fmt"

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
	both, err := p.text.Forward(&p.arena, append(no.IDs, yes.IDs...), r.ClipSkip)
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

// pair is both as a batch, which they are in memory.
func (t texts) pair() nn.Tensor {
	n := len(t.negative.Data)
	both := t.negative
	both.N, both.Data = 2, t.negative.Data[:2*n]
	return both
}
