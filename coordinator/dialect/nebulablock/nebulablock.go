// Package nebulablock is the image API of Nebula Block: one synchronous request and a list of models.
package nebulablock

import (
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Name is what API keys are bound to.
const Name = "nebulablock"

// Service is what the dialect needs of the coordinator.
type Service interface {
	dialect.Callers
	dialect.Offers
	dialect.Maker
	dialect.Pictures
}

// New makes the dialect.
func New(s Service) dialect.Dialect { return vendor{s} }

type vendor struct{ service Service }

func (vendor) Name() string { return Name }

// The routes. One of the vendor's samples sends GET with a body.
var (
	generateRoute = dialect.Route{Method: http.MethodPost, Path: "/api/v1/images/generation"}
	slipRoute     = dialect.Route{Method: http.MethodGet, Path: "/api/v1/images/generation"}
	modelsRoute   = dialect.Route{Method: http.MethodGet, Path: "/api/v1/serverless/models"}
)

func (v vendor) Routes() []dialect.Route {
	frame := dialect.KeyInHeader(v.service, v.Fail)
	generate := dialect.Making[*string]{
		Maker: v.service, Limit: dialect.Patience, Decode: dialect.FromObject(dialect.MaxBody, decodeNamed), Encode: v.generated,
	}
	return []dialect.Route{
		frame.Route(generateRoute, generate.Answer),
		frame.Route(slipRoute, generate.Answer),
		frame.Route(modelsRoute, v.models),
	}
}

// An envelope is around everything but pictures.
type envelope struct {
	Data    any    `json:"data"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

// errorForm is the envelope without data.
var errorForm = dialect.ErrorForm{
	Names: map[string]string{"steps": "num_steps", "init_image": "image", "mask_image": "mask"},
	Body:  func(_ http.Header, e *api.Error) any { return envelope{nil, e.Message, "failed"} },
}

func (vendor) Fail(w http.ResponseWriter, _ *http.Request, err error) { errorForm.Fail(w, err) }

type generated struct {
	Model   string    `json:"model"`
	Object  string    `json:"object"`
	Data    []picture `json:"data"`
	Message string    `json:"message"`
	Status  string    `json:"status"`
}

type picture struct {
	Timings timings `json:"timings"`
	Index   int     `json:"index"`
	Base64  string  `json:"b64_json"`
}

type timings struct {
	Inference float64 `json:"inference"` // seconds
}

// decodeNamed also gives the name of the model for the reply, which is known once the job is submitted.
func decodeNamed(o *dialect.Object) (dialect.Request, *string, error) {
	asked, err := decode(o)
	name := &asked.Model
	if asked.Model == "" {
		name = new(string)
		asked.Fit = func(m dialect.Model, _ *api.JobRequest) error {
			*name = m.ID
			return nil
		}
	}
	return asked, name, err
}

func (v vendor) generated(c *dialect.Call, job api.Job, model *string, reply *dialect.Reply) (any, error) {
	texts, err := reply.Images(c.Context(), v.service, job)
	if err != nil {
		return nil, err
	}
	body := generated{Model: *model, Object: "list", Data: []picture{}, Message: "Image generated successfully", Status: "success"}
	for i, text := range texts {
		body.Data = append(body.Data, picture{timings{perImage(job)}, job.Images[i].Index, text})
	}
	return body, nil
}

// perImage is each image's share of the attempt's time.
func perImage(job api.Job) float64 {
	if job.Receipt == nil || len(job.Images) == 0 {
		return 0
	}
	return job.Receipt.Timings.Total / float64(len(job.Images))
}

// A model as the vendor lists it. Nothing here has a price, and a model's context is not known.
type model struct {
	Name          string  `json:"model_name"`
	Alias         string  `json:"model_alias"`
	Type          string  `json:"model_type"`
	ContextLength *int    `json:"context_length"`
	MaxTokens     *int    `json:"max_completion_tokens"`
	Description   string  `json:"description"`
	Price         float64 `json:"price"`
	HuggingFace   *string `json:"huggingface_url"`
}

func (v vendor) models(c *dialect.Call) error {
	listed := []model{}
	for _, m := range v.service.Models(c.Context(), Name) {
		listed = append(listed, model{Name: m.ID, Alias: m.Name, Type: "Image", Description: m.Description})
	}
	return c.Reply(envelope{map[string][]model{"models": listed}, "Get models list successfully.", "success"})
}
