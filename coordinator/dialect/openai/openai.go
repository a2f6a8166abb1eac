// Package openai speaks the images and models part of OpenAI's API.
package openai

import (
	"net/http"

	"github.com/easelgrid/easel/coordinator/dialect"
)

// vendor is the dialect. It keeps nothing but who does the work.
type vendor struct{ service dialect.Service }

// New makes the dialect.
func New(s dialect.Service) dialect.Dialect { return &vendor{s} }

// Name is what API keys are bound to.
func (v *vendor) Name() string { return "openai" }

// The paths of the API.
const (
	pathGenerations = "/v1/images/generations"
	pathEdits       = "/v1/images/edits"
	pathVariations  = "/v1/images/variations"
	pathModels      = "/v1/models"
	pathModel       = "/v1/models/{id...}" // names of models may have slashes
)

// Routes are all paths of the API.
func (v *vendor) Routes() []dialect.Route {
	return []dialect.Route{
		{Method: http.MethodPost, Path: pathGenerations, Handle: v.generate},
		{Method: http.MethodPost, Path: pathEdits, Handle: v.edit},
		{Method: http.MethodPost, Path: pathVariations, Handle: v.vary},
		{Method: http.MethodGet, Path: pathModels, Handle: v.models},
		{Method: http.MethodGet, Path: pathModel, Handle: v.model},
	}
}

// maxGeneration is the most bytes of a request without pictures.
const maxGeneration = 256 << 10

func (v *vendor) generate(w http.ResponseWriter, r *http.Request) {
	v.make(w, r, func() (order, error) {
		o, err := dialect.ReadObject(w, r, maxGeneration)
		if err != nil {
			return order{}, err
		}
		return generation(o)
	})
}

func (v *vendor) edit(w http.ResponseWriter, r *http.Request) {
	v.make(w, r, func() (order, error) {
		form, err := dialect.ReadForm(w, r)
		if err != nil {
			return order{}, err
		}
		return edit(form)
	})
}

func (v *vendor) vary(w http.ResponseWriter, r *http.Request) {
	v.make(w, r, func() (order, error) {
		form, err := dialect.ReadForm(w, r)
		if err != nil {
			return order{}, err
		}
		return variation(form)
	})
}

// make answers a request for images. The key is looked at before the body is read.
func (v *vendor) make(w http.ResponseWriter, r *http.Request, decode func() (order, error)) {
	who, err := v.service.Caller(r.Context(), dialect.Key(r))
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	asked, err := decode()
	if err == nil {
		err = v.plan(r, &asked)
	}
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	if asked.stream {
		v.stream(w, r, who, asked)
		return
	}
	v.respond(w, r, who, asked)
}
