package dialect

import (
	"unicode/utf8"

	"github.com/easelgrid/easel/api"
)

// Tokens are counts for replies that have such. Nothing is paid by them here.
type Tokens struct {
	Text   int // of the prompt
	Images int // of the pictures that came with the request
	Made   int // of the finished images
}

// CountTokens counts a token for every four characters of text and for every square of 32 x 32 pixels,
// which is near to what OpenAI counts for English and for an image of medium quality.
func CountTokens(job api.Job, made ...api.Image) Tokens {
	t := Tokens{Text: (utf8.RuneCountInString(job.Spec.Prompt) + 3) / 4}
	for _, in := range job.Spec.Inputs() {
		t.Images += squares(in.Width, in.Height)
	}
	for _, image := range made {
		t.Made += squares(image.Width, image.Height)
	}
	return t
}

func squares(width, height int) int { return ((width + 31) / 32) * ((height + 31) / 32) }
