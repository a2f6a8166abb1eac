package openai

import (
	"fmt"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// A response is the reply to a request for images.
type response struct {
	Created      int64   `json:"created"`
	Background   string  `json:"background"`
	Data         []datum `json:"data"`
	OutputFormat string  `json:"output_format"`
	Quality      string  `json:"quality"`
	Size         string  `json:"size"`
	Usage        usage   `json:"usage"`
}

// A datum is one image, by address or itself.
type datum struct {
	URL           string `json:"url,omitempty"`
	Base64        string `json:"b64_json,omitempty"`
	RevisedPrompt string `json:"revised_prompt,omitempty"`
}

// response is the reply of a job that succeeded.
func (v *vendor) response(c *dialect.Call, job api.Job, a order, reply *dialect.Reply) (any, error) {
	answer := response{
		Created: job.CreatedAt.Unix(), Background: background(job), Data: []datum{},
		OutputFormat: string(job.Spec.Format), Quality: a.effective(), Usage: usageOf(job, job.Images...),
	}
	for i, image := range job.Images {
		d := datum{}
		if a.revised {
			d.RevisedPrompt = job.Spec.Prompt
		}
		if a.inBase64 {
			text, err := reply.Base64(v.service.Open(c.Context(), job.ID, image.Index))
			if err != nil {
				return nil, err
			}
			d.Base64 = text
		} else {
			d.URL = v.service.URL(c.R, job, i)
		}
		answer.Data = append(answer.Data, d)
		answer.Size = sizeOf(image)
	}
	return answer, nil
}

func sizeOf(i api.Image) string { return fmt.Sprintf("%dx%d", i.Width, i.Height) }

func background(job api.Job) string {
	if job.Spec.Background == api.BackgroundTransparent {
		return "transparent"
	}
	return "opaque"
}
