// Package distribute is the image API of DistributeAI: jobs that are asked for again, and a
// synchronous request in OpenAI's form under the prefix /distribute.
package distribute

import (
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Name is what API keys are bound to.
const Name = "distribute"

// Service is what the dialect needs of the coordinator.
type Service interface {
	dialect.Callers
	dialect.Maker
	dialect.Jobs
	dialect.Pictures
	dialect.Links
}

// New makes the dialect.
func New(s Service) dialect.Dialect { return vendor{s} }

type vendor struct{ service Service }

func (vendor) Name() string { return Name }

// The routes.
var (
	createRoute   = dialect.Route{Method: http.MethodPost, Path: "/async/images/create"}
	resultRoute   = dialect.Route{Method: http.MethodPost, Path: "/async/images/result"}
	generateRoute = dialect.Route{Method: http.MethodPost, Path: "/v1/images/generations", Prefix: "/distribute"}
)

func (v vendor) Routes() []dialect.Route {
	frame := dialect.KeyInHeader(v.service, v.Fail)
	generate := dialect.Making[bool]{
		Maker: v.service, Limit: dialect.Patience, Encode: v.generated,
		Decode: dialect.FromObject(maxBody, func(o *dialect.Object) (dialect.Request, bool, error) { return decode(o, generations) }),
	}
	return []dialect.Route{
		frame.Route(createRoute, v.create),
		frame.Route(resultRoute, v.result),
		frame.Route(generateRoute, generate.Answer),
	}
}

// errorForm has {"message"} and nothing else: the vendor's schema allows no other property.
var errorForm = dialect.ErrorForm{
	Names: map[string]string{
		"steps": "num_inference_steps", "width": "size", "height": "size", "width x height": "size", "output_width": "size", "output_height": "size",
	},
	Body: func(_ http.Header, e *api.Error) any { return problem{e.Message} },
}

type problem struct {
	Message string `json:"message"`
}

func (vendor) Fail(w http.ResponseWriter, _ *http.Request, err error) { errorForm.Fail(w, err) }

// create makes a job durable and answers with a UUID to ask for it by.
func (v vendor) create(c *dialect.Call) error {
	o, err := c.Object(maxBody)
	if err != nil {
		return err
	}
	asked, _, err := decode(o, create)
	if err != nil {
		return err
	}
	asked.Alias = newUUID()
	if _, err := c.Submit(v.service, asked); err != nil {
		return err
	}
	return c.Reply(created{asked.Alias})
}

type created struct {
	ID string `json:"id"`
}

type generated struct {
	Created int64     `json:"created"`
	Data    []picture `json:"data"`
}

type picture struct {
	URL           string `json:"url,omitempty"`
	Base64        string `json:"b64_json,omitempty"`
	RevisedPrompt string `json:"revised_prompt"`
}

// generated is the synchronous request's reply, in OpenAI's form.
func (v vendor) generated(c *dialect.Call, job api.Job, base64 bool, reply *dialect.Reply) (any, error) {
	body := generated{Created: job.CreatedAt.Unix(), Data: v.pictures(c.R, job)}
	if base64 {
		texts, err := reply.Images(c.Context(), v.service, job)
		if err != nil {
			return nil, err
		}
		for i, text := range texts {
			body.Data[i].URL, body.Data[i].Base64 = "", text
		}
	}
	return body, nil
}

// pictures are a finished job's, by address. The prompt is what the model was given.
func (v vendor) pictures(r *http.Request, job api.Job) []picture {
	all := []picture{}
	for _, image := range job.Images {
		all = append(all, picture{URL: v.service.URL(r, job, image.Index), RevisedPrompt: job.Spec.Prompt})
	}
	return all
}
