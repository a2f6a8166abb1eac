// Package yescale is the image API of YeScale: OpenAI's form of a request, and tasks that are asked
// for again.
package yescale

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Name is what API keys are bound to.
const Name = "yescale"

// Service is what the dialect needs of the coordinator.
type Service interface {
	dialect.Callers
	dialect.Maker
	dialect.Jobs
	dialect.Pictures
	dialect.Links
	dialect.Fetcher
}

// New makes the dialect.
func New(s Service) dialect.Dialect { return vendor{s} }

type vendor struct{ service Service }

func (vendor) Name() string { return Name }

const prefix = "/yescale"

// The routes.
var (
	generateRoute = dialect.Route{Method: http.MethodPost, Path: "/v1/images/generations", Prefix: prefix}
	submitRoute   = dialect.Route{Method: http.MethodPost, Path: "/task/submit", Prefix: prefix}
	taskRoute     = dialect.Route{Method: http.MethodGet, Path: "/task/{id}", Prefix: prefix}
)

func (v vendor) Routes() []dialect.Route {
	frame := dialect.KeyInHeader(v.service, v.Fail)
	generate := dialect.Making[bool]{
		Maker: v.service, Limit: dialect.Patience, Decode: dialect.FromObject(maxBody, decode), Encode: v.generated,
	}
	return []dialect.Route{
		frame.Route(generateRoute, generate.Answer),
		frame.Route(submitRoute, v.submit),
		frame.Route(taskRoute, v.task),
	}
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

func (v vendor) generated(c *dialect.Call, job api.Job, base64 bool, reply *dialect.Reply) (any, error) {
	body := generated{Created: job.CreatedAt.Unix(), Data: []picture{}}
	if base64 {
		texts, err := reply.Images(c.Context(), v.service, job)
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			body.Data = append(body.Data, picture{Base64: &text})
		}
		return body, nil
	}
	for _, image := range job.Images {
		body.Data = append(body.Data, picture{URL: new(v.service.URL(c.R, job, image.Index))})
	}
	return body, nil
}

// errorForm is that of New API, the program behind the vendor's address.
var errorForm = dialect.ErrorForm{
	Names: map[string]string{
		"width": "size", "height": "size", "width x height": "size", "output_width": "size", "output_height": "size",
		"init_image": "config.images[0]", "background": "config.background",
	},
	Status: status,
	Body:   problemOf,
}

func (vendor) Fail(w http.ResponseWriter, _ *http.Request, err error) { errorForm.Fail(w, err) }

// problemOf ends the message with the request's id, which is in a header too.
func problemOf(h http.Header, e *api.Error) any {
	id := cmp.Or(h.Get("X-Request-Id"), rand.Text())
	h.Set("X-Oneapi-Request-Id", id)
	return problem{complaint{
		Message: fmt.Sprintf("%s (request id: %s)", e.Message, id), Type: "new_api_error", Code: codeOf(e.Code),
	}}
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
