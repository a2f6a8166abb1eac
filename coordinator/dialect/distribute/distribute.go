// Package distribute is the image API of DistributeAI: jobs that are asked for again, and a
// synchronous request in OpenAI's form under the prefix /distribute.
package distribute

import (
	"context"
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Name is what API keys are bound to.
const Name = "distribute"

// New makes the dialect.
func New(s dialect.Service) dialect.Dialect { return vendor{s} }

type vendor struct{ service dialect.Service }

func (vendor) Name() string { return Name }

// The routes.
var (
	createRoute   = dialect.Route{Method: http.MethodPost, Path: "/async/images/create"}
	resultRoute   = dialect.Route{Method: http.MethodPost, Path: "/async/images/result"}
	generateRoute = dialect.Route{Method: http.MethodPost, Path: "/v1/images/generations", Prefix: "/distribute"}
)

func (v vendor) Routes() []dialect.Route {
	return []dialect.Route{
		v.route(createRoute, v.create),
		v.route(resultRoute, v.result),
		v.route(generateRoute, v.generate),
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
var names = map[string]string{"steps": "num_inference_steps", "width": "size", "height": "size", "width x height": "size", "output_width": "size", "output_height": "size"}

// Fail answers with {"message"} and nothing else: the vendor's schema allows no other property.
func (vendor) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	told := api.AsError(dialect.Rename(err, names), api.CodeInternal)
	dialect.RetryAfter(w, told)
	dialect.WriteJSON(w, dialect.Status(told.Code), problem{told.Message})
}

type problem struct {
	Message string `json:"message"`
}

// create makes a job durable and answers with a UUID to ask for it by.
func (v vendor) create(w http.ResponseWriter, r *http.Request, who dialect.Caller) error {
	o, err := dialect.ReadObject(w, r, maxBody)
	if err != nil {
		return err
	}
	asked, err := decode(o, create)
	if err != nil {
		return err
	}
	asked.Request.Alias = newUUID()
	if _, err := v.submit(r.Context(), who, asked); err != nil {
		return err
	}
	dialect.WriteJSON(w, http.StatusOK, created{asked.Request.Alias})
	return nil
}

// submit leaves the size to the catalog where the model cannot make the vendor's default.
func (v vendor) submit(ctx context.Context, who dialect.Caller, asked request) (api.Job, error) {
	job, err := dialect.SubmitSized(ctx, v.service, who, asked.Request)
	if !asked.sized && dialect.Faulty(err, "width", "height", "width x height") {
		asked.Job.Width, asked.Job.Height = nil, nil
		return v.service.Submit(ctx, who, asked.Request)
	}
	return job, err
}

type created struct {
	ID string `json:"id"`
}

// generate answers when the pictures are there, in OpenAI's form.
func (v vendor) generate(w http.ResponseWriter, r *http.Request, who dialect.Caller) error {
	o, err := dialect.ReadObject(w, r, maxBody)
	if err != nil {
		return err
	}
	asked, err := decode(o, generations)
	if err != nil {
		return err
	}
	asked.IdempotencyKey = r.Header.Get("Idempotency-Key")
	job, err := v.submit(r.Context(), who, asked)
	if err != nil {
		return err
	}
	dialect.Hold(w)
	if job, err = dialect.WaitWithin(dialect.Patient(r), dialect.Patience, v.service, who, job.ID); err != nil {
		return err
	}
	return v.answer(w, r, job, asked.base64)
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

func (v vendor) answer(w http.ResponseWriter, r *http.Request, job api.Job, base64 bool) error {
	reply := dialect.NewReply()
	defer reply.Close()
	body := generated{Created: job.CreatedAt.Unix(), Data: v.pictures(r, job)}
	if base64 {
		texts, err := reply.Images(r.Context(), v.service, job)
		if err != nil {
			return err
		}
		for i, text := range texts {
			body.Data[i].URL, body.Data[i].Base64 = "", text
		}
	}
	_ = reply.Write(w, http.StatusOK, body) // a reply cut short is seen by its length
	return nil
}

// pictures are a finished job's, by address. The prompt is what the model was given.
func (v vendor) pictures(r *http.Request, job api.Job) []picture {
	all := []picture{}
	for _, image := range job.Images {
		all = append(all, picture{URL: v.service.URL(r, job, image.Index), RevisedPrompt: job.Spec.Prompt})
	}
	return all
}
