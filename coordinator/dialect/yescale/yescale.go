// Package yescale is the image API of YeScale: OpenAI's form of a request, and tasks that are asked
// for again.
package yescale

import (
	"crypto/rand"
	"fmt"
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Name is what API keys are bound to.
const Name = "yescale"

// New makes the dialect.
func New(s dialect.Service) dialect.Dialect { return vendor{s} }

type vendor struct{ service dialect.Service }

func (vendor) Name() string { return Name }

const prefix = "/yescale"

// The routes.
var (
	generateRoute = dialect.Route{Method: http.MethodPost, Path: "/v1/images/generations", Prefix: prefix}
	submitRoute   = dialect.Route{Method: http.MethodPost, Path: "/task/submit", Prefix: prefix}
	taskRoute     = dialect.Route{Method: http.MethodGet, Path: "/task/{id}", Prefix: prefix}
)

func (v vendor) Routes() []dialect.Route {
	return []dialect.Route{
		v.route(generateRoute, v.generate),
		v.route(submitRoute, v.submit),
		v.route(taskRoute, v.task),
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

type generated struct {
	Created int64     `json:"created"`
	Data    []picture `json:"data"`
}

// A picture has all its properties, null where there is nothing.
type picture struct {
	Base64        *string `json:"b64_json"`
	RevisedPrompt *string `json:"revised_prompt"`
	URL           *string `json:"url"`
}

// generate answers when the pictures are there.
func (v vendor) generate(w http.ResponseWriter, r *http.Request, who dialect.Caller) error {
	o, err := dialect.ReadObject(w, r, maxBody)
	if err != nil {
		return err
	}
	asked, base64, err := decode(o)
	if err != nil {
		return err
	}
	asked.IdempotencyKey = r.Header.Get("Idempotency-Key")
	job, err := dialect.SubmitSized(r.Context(), v.service, who, asked)
	if err != nil {
		return err
	}
	dialect.Hold(w)
	if job, err = dialect.WaitWithin(dialect.Patient(r), dialect.Patience, v.service, who, job.ID); err != nil {
		return err
	}
	return v.answer(w, r, job, base64)
}

func (v vendor) answer(w http.ResponseWriter, r *http.Request, job api.Job, base64 bool) error {
	reply := dialect.NewReply()
	defer reply.Close()
	body := generated{Created: job.CreatedAt.Unix(), Data: []picture{}}
	if base64 {
		texts, err := reply.Images(r.Context(), v.service, job)
		if err != nil {
			return err
		}
		for _, text := range texts {
			body.Data = append(body.Data, picture{Base64: &text})
		}
	} else {
		for _, image := range job.Images {
			body.Data = append(body.Data, picture{URL: new(v.service.URL(r, job, image.Index))})
		}
	}
	_ = reply.Write(w, http.StatusOK, body) // a reply cut short is seen by its length
	return nil
}

// Fail answers in the form of New API, the program behind the vendor's address.
func (vendor) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	told := api.AsError(dialect.Rename(err, names), api.CodeInternal)
	id := w.Header().Get("X-Request-Id")
	if id == "" {
		id = rand.Text()
	}
	w.Header().Set("X-Oneapi-Request-Id", id)
	dialect.RetryAfter(w, told)
	dialect.WriteJSON(w, status(told.Code), problem{complaint{
		Message: fmt.Sprintf("%s (request id: %s)", told.Message, id), Type: "new_api_error", Code: codeOf(told.Code),
	}})
}

// names are the vendor's words for the fields of a job.
var names = map[string]string{
	"width": "size", "height": "size", "width x height": "size", "output_width": "size", "output_height": "size", "init_image": "config.images[0]", "background": "config.background",
}

type problem struct {
	Error complaint `json:"error"`
}

type complaint struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   string `json:"param"`
	Code    string `json:"code"`
}

// status is 403 for a quota, as New API has it.
func status(code api.Code) int {
	if code == api.CodeQuotaExceeded {
		return http.StatusForbidden
	}
	return dialect.Status(code)
}

// codes are New API's words. Where it has none of its own, easel's is as good.
var codes = map[api.Code]string{
	api.CodeInvalidRequest: "invalid_request",
	api.CodeUnsupported:    "invalid_request",
	api.CodeTooLarge:       "bad_request_body",
	api.CodeUnauthorized:   "",
	api.CodeQuotaExceeded:  "insufficient_user_quota",
	api.CodeRateLimited:    "rate_limit_exceeded",
	api.CodeModelNotFound:  "model_not_found",
}

func codeOf(code api.Code) string {
	if word, ok := codes[code]; ok {
		return word
	}
	return string(code)
}
