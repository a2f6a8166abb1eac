// Package openai speaks the images and models part of OpenAI's API.
package openai

import (
	"net/http"

	"github.com/easelgrid/easel/coordinator/dialect"
)

// Service is what the dialect needs of the coordinator.
type Service interface {
	dialect.Callers
	dialect.Offers
	dialect.Maker
	dialect.Pictures
	dialect.Links
}

type vendor struct{ service Service }

// New makes the dialect.
func New(s Service) dialect.Dialect { return &vendor{s} }

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
	frame := dialect.KeyInHeader(v.service, v.Fail)
	post := func(path string, decode func(*dialect.Call) (order, error)) dialect.Route {
		return frame.Route(dialect.Route{Method: http.MethodPost, Path: path}, v.making(decode))
	}
	return []dialect.Route{
		post(pathGenerations, readGeneration),
		post(pathEdits, formReader(edit)),
		post(pathVariations, formReader(variation)),
		frame.Route(dialect.Route{Method: http.MethodGet, Path: pathModels}, v.models),
		frame.Route(dialect.Route{Method: http.MethodGet, Path: pathModel}, v.model),
	}
}

// maxGeneration is the most bytes of a request without pictures.
const maxGeneration = 256 << 10

func readGeneration(c *dialect.Call) (order, error) {
	o, err := c.Object(maxGeneration)
	if err != nil {
		return order{}, err
	}
	return generation(o)
}

func formReader(decode func(*dialect.Form) (order, error)) func(*dialect.Call) (order, error) {
	return func(c *dialect.Call) (order, error) {
		form, err := c.Form()
		if err != nil {
			return order{}, err
		}
		return decode(form)
	}
}

// making answers requests for images: at once, or as a stream of events where that is asked for.
func (v *vendor) making(decode func(*dialect.Call) (order, error)) func(*dialect.Call) error {
	whole := dialect.Making[order]{Maker: v.service, Encode: v.response}
	return func(c *dialect.Call) error {
		asked, err := decode(c)
		if err != nil {
			return err
		}
		asked.job.Fit = asked.fit()
		if asked.stream {
			return v.stream(c, asked)
		}
		return whole.Finish(c, asked.job, asked)
	}
}
