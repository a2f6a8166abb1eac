// Package deepfellow speaks the image API of DeepFellow.
package deepfellow

import (
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Service is what the dialect needs of the coordinator.
type Service interface {
	dialect.Callers
	dialect.Offers
	dialect.Maker
	dialect.Pictures
}

type vendor struct{ service Service }

// New makes the dialect.
func New(s Service) dialect.Dialect { return &vendor{s} }

// Name is what API keys are bound to.
func (v *vendor) Name() string { return "deepfellow" }

// prefix is before all paths: OpenAI has the same ones.
const prefix = "/deepfellow"

// Routes are all paths of the API.
func (v *vendor) Routes() []dialect.Route {
	frame := dialect.KeyInHeader(v.service, v.Fail)
	generate := dialect.Making[struct{}]{Maker: v.service, Decode: read, Encode: v.encode}
	return []dialect.Route{
		frame.Route(dialect.Route{Method: http.MethodPost, Path: "/v1/images/generations", Prefix: prefix}, generate.Answer),
		frame.Route(dialect.Route{Method: http.MethodGet, Path: "/v1/models", Prefix: prefix}, v.models),
		frame.Route(dialect.Route{Method: http.MethodGet, Path: "/v1/models/{id...}", Prefix: prefix}, v.model), // names may have slashes
	}
}

// maxBody is the most bytes of a request: it has no pictures.
const maxBody = 256 << 10

// A response is the reply to a request for images.
type response struct {
	Created int64   `json:"created"`
	Data    []datum `json:"data"`
	Usage   usage   `json:"usage"`
}

type datum struct {
	Base64 string `json:"b64_json"`
}

type usage struct {
	InputTokens        int     `json:"input_tokens"`
	InputTokensDetails details `json:"input_tokens_details"`
	OutputTokens       int     `json:"output_tokens"`
	TotalTokens        int     `json:"total_tokens"`
}

type details struct {
	ImageTokens int `json:"image_tokens"`
	TextTokens  int `json:"text_tokens"`
}

// read decodes a request. Nothing of it is needed for the reply.
func read(c *dialect.Call) (asked dialect.Request, none struct{}, err error) {
	o, err := c.Object(maxBody)
	if err != nil {
		return asked, none, err
	}
	asked, err = decode(o, c.Who.PromptSettings)
	return asked, none, err
}

func (v *vendor) encode(c *dialect.Call, job api.Job, _ struct{}, reply *dialect.Reply) (any, error) {
	images, err := reply.Images(c.Context(), v.service, job)
	if err != nil {
		return nil, err
	}
	t := dialect.CountTokens(job, job.Images...)
	answer := response{
		Created: job.CreatedAt.Unix(), Data: []datum{},
		Usage: usage{t.Text + t.Images, details{t.Images, t.Text}, t.Made, t.Text + t.Images + t.Made},
	}
	for _, text := range images {
		answer.Data = append(answer.Data, datum{text})
	}
	return answer, nil
}

// A model is an entry of the list.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	Props   *props `json:"props,omitempty"` // with additional_data
}

// props are easel's own: the vendor documents no more than the name.
type props struct {
	Type        string   `json:"type"`
	Endpoints   []string `json:"endpoints"`
	Description string   `json:"description"`
	Size        string   `json:"size"`
	Steps       int      `json:"steps"`
	Schedulers  []string `json:"schedulers"`
}

type modelList struct {
	Object string  `json:"object"`
	Data   []model `json:"data"`
}

func modelOf(m dialect.Model, whole bool) model {
	listed := model{ID: m.ID, Object: "model", Created: m.Created.Unix(), OwnedBy: m.Owner}
	if whole {
		listed.Props = &props{
			Type: "txt2img", Endpoints: []string{"/v1/images/generations"}, Description: m.Description,
			Size: sizeText(m.Width, m.Height), Steps: m.Steps, Schedulers: append([]string{}, m.Schedulers...),
		}
	}
	return listed
}

func (v *vendor) models(c *dialect.Call) error {
	whole, err := additional(c.R)
	if err != nil {
		return err
	}
	list := modelList{"list", []model{}}
	for _, m := range v.service.Models(c.Context(), v.Name()) {
		list.Data = append(list.Data, modelOf(m, whole))
	}
	return c.Reply(list)
}

func (v *vendor) model(c *dialect.Call) error {
	id := c.R.PathValue("id")
	if id == "" {
		return api.Errorf(api.CodeNotFound, "Not Found")
	}
	m, err := v.service.Model(c.Context(), v.Name(), id)
	if err != nil {
		return err
	}
	return c.Reply(modelOf(m, false))
}
