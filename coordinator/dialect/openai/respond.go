package openai

import (
	"fmt"
	"net/http"

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

// respond answers when all images are made. A client that goes away ends its job, unless it may come
// again with its Idempotency-Key.
func (v *vendor) respond(w http.ResponseWriter, r *http.Request, who dialect.Caller, a order) {
	job, err := dialect.Make(dialect.Patient(r), v.service, who, a.job, nil)
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	reply := dialect.NewReply()
	defer reply.Close()
	answer, err := v.response(r, reply, job, a)
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	_ = reply.Write(w, http.StatusOK, answer) // the connection ends with what there is of the reply
}

func (v *vendor) response(r *http.Request, reply *dialect.Reply, job api.Job, a order) (response, error) {
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
			text, err := reply.Base64(v.service.Open(r.Context(), job.ID, image.Index))
			if err != nil {
				return response{}, err
			}
			d.Base64 = text
		} else {
			d.URL = v.service.URL(r, job, i)
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
