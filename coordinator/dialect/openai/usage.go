package openai

import (
	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// A usage counts tokens as clients expect them.
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

func usageOf(job api.Job, made ...api.Image) usage {
	t := dialect.CountTokens(job, made...)
	in := t.Text + t.Images
	return usage{in, details{t.Images, t.Text}, t.Made, details{t.Made, 0}, in + t.Made}
}
