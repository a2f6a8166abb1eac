// Package nebulablock is the image API of Nebula Block: one synchronous request and a list of models.
package nebulablock

import (
	"cmp"
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Name is what API keys are bound to.
const Name = "nebulablock"

// New makes the dialect.
func New(s dialect.Service) dialect.Dialect { return vendor{s} }

type vendor struct{ service dialect.Service }

func (vendor) Name() string { return Name }

// The routes. One of the vendor's samples sends GET with a body.
var (
	generateRoute = dialect.Route{Method: http.MethodPost, Path: "/api/v1/images/generation"}
	slipRoute     = dialect.Route{Method: http.MethodGet, Path: "/api/v1/images/generation"}
	modelsRoute   = dialect.Route{Method: http.MethodGet, Path: "/api/v1/serverless/models"}
)

func (v vendor) Routes() []dialect.Route {
	return []dialect.Route{
		v.route(generateRoute, v.generate),
		v.route(slipRoute, v.generate),
		v.route(modelsRoute, v.models),
	}
}

// route gives a route its handler. Whose key it is is found out before the body is read.
func (v vendor) route(r dialect.Route, handle func(http.ResponseWriter, *http.Request, dialect.Caller) error) dialect.Route {
	r.Handle = func(w http.ResponseWriter, r *http.Request) {
		who, err := v.service.Caller(r.Context(), dialect.Key(r))
		if err == nil {
			err = handle(w, r, who)
		}
		if err != nil {
			v.Fail(w, r, err)
		}
	}
	return r
}

// names are the vendor's words for the fields of a job.
var names = map[string]string{"steps": "num_steps", "init_image": "image", "mask_image": "mask"}

// An envelope is around everything but pictures.
type envelope struct {
	Data    any    `json:"data"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

// Fail answers with the envelope without data.
func (vendor) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	told := api.AsError(dialect.Rename(err, names), api.CodeInternal)
	dialect.RetryAfter(w, told)
	dialect.WriteJSON(w, dialect.Status(told.Code), envelope{nil, told.Message, "failed"})
}

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

func (v vendor) generate(w http.ResponseWriter, r *http.Request, who dialect.Caller) error {
	o, err := dialect.ReadObject(w, r, dialect.MaxBody)
	if err != nil {
		return err
	}
	asked, err := decode(o)
	if err != nil {
		return err
	}
	model, err := v.service.Model(r.Context(), Name, asked.Model)
	if err != nil {
		return err
	}
	dialect.Hold(w)
	job, err := dialect.MakeWithin(r.Context(), dialect.Patience, v.service, who, asked)
	if err != nil {
		return err
	}
	return v.answer(w, r, job, cmp.Or(asked.Model, model.ID))
}

func (v vendor) answer(w http.ResponseWriter, r *http.Request, job api.Job, model string) error {
	reply := dialect.NewReply()
	defer reply.Close()
	texts, err := reply.Images(r.Context(), v.service, job)
	if err != nil {
		return err
	}
	body := generated{Model: model, Object: "list", Data: []picture{}, Message: "Image generated successfully", Status: "success"}
	for i, text := range texts {
		body.Data = append(body.Data, picture{timings{perImage(job)}, job.Images[i].Index, text})
	}
	_ = reply.Write(w, http.StatusOK, body) // a reply cut short is seen by its length
	return nil
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

func (v vendor) models(w http.ResponseWriter, r *http.Request, _ dialect.Caller) error {
	listed := []model{}
	for _, m := range v.service.Models(r.Context(), Name) {
		entry := model{Name: m.ID, Alias: m.Name, Type: "Image", Description: m.Description}
		listed = append(listed, entry)
	}
	dialect.WriteJSON(w, http.StatusOK, envelope{map[string][]model{"models": listed}, "Get models list successfully.", "success"})
	return nil
}
