package openai

import (
	"unicode/utf8"

	"github.com/easelgrid/easel/api"
)

// A usage counts tokens as clients expect them. Nothing here is paid by them.
type usage struct {
	InputTokens         int     `json:"input_tokens"`
	InputTokensDetails  details `json:"input_tokens_details"`
	OutputTokens        int     `json:"output_tokens"`
	OutputTokensDetails details `json:"output_tokens_details"`
	TotalTokens         int     `json:"total_tokens"`
}

type details struct {
	ImageTokens int `json:"image_tokens"`
	TextTokens  int `json:"text_tokens"`
}

// usageOf counts a token for every four characters of text and for every square of 32 x 32 pixels,
// which is near to what OpenAI counts for English and for an image of medium quality.
func usageOf(job api.Job, images ...api.Image) usage {
	var u usage
	u.InputTokensDetails.TextTokens = (utf8.RuneCountInString(job.Spec.Prompt) + 3) / 4
	for _, in := range job.Spec.Inputs() {
		u.InputTokensDetails.ImageTokens += squares(in.Width, in.Height)
	}
	for _, image := range images {
		u.OutputTokensDetails.ImageTokens += squares(image.Width, image.Height)
	}
	u.InputTokens = u.InputTokensDetails.TextTokens + u.InputTokensDetails.ImageTokens
	u.OutputTokens = u.OutputTokensDetails.ImageTokens
	u.TotalTokens = u.InputTokens + u.OutputTokens
	return u
}

func squares(width, height int) int { return ((width + 31) / 32) * ((height + 31) / 32) }
