// Package deepfellow speaks the image API of DeepFellow.
package deepfellow

import (
	"cmp"
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// vendor is the dialect. It keeps nothing but who does the work.
type vendor struct{ service dialect.Service }

// New makes the dialect.
func New(s dialect.Service) dialect.Dialect { return &vendor{s} }

// Name is what API keys are bound to.
func (v *vendor) Name() string { return "deepfellow" }

// prefix is before all paths: OpenAI has the same ones.
const prefix = "/deepfellow"

// Routes are all paths of the API.
func (v *vendor) Routes() []dialect.Route {
	return []dialect.Route{
		{Method: http.MethodPost, Path: "/v1/images/generations", Prefix: prefix, Handle: v.generate},
		{Method: http.MethodGet, Path: "/v1/models", Prefix: prefix, Handle: v.models},
		{Method: http.MethodGet, Path: "/v1/models/{id...}", Prefix: prefix, Handle: v.model}, // names may have slashes
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

// generate answers when all images are made. A client that goes away ends its job, unless it may come
// again with its Idempotency-Key.
func (v *vendor) generate(w http.ResponseWriter, r *http.Request) {
	who, err := v.service.Caller(r.Context(), dialect.Key(r))
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	o, err := dialect.ReadObject(w, r, maxBody)
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	asked, err := decode(o, who.PromptSettings)
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	asked.IdempotencyKey = r.Header.Get("Idempotency-Key")
	job, err := dialect.SubmitSized(r.Context(), v.service, who, asked)
	if err == nil {
		job, err = v.service.Wait(dialect.Patient(r), job.ID, nil)
	}
	if err == nil {
		err = dialect.JobError(job)
	}
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	v.respond(w, r, job)
}

func (v *vendor) respond(w http.ResponseWriter, r *http.Request, job api.Job) {
	reply := dialect.NewReply()
	defer reply.Close()
	images, err := reply.Images(r.Context(), v.service, job)
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	t := dialect.CountTokens(job, job.Images...)
	answer := response{
		Created: job.CreatedAt.Unix(), Data: []datum{},
		Usage: usage{t.Text + t.Images, details{t.Images, t.Text}, t.Made, t.Text + t.Images + t.Made},
	}
	for _, text := range images {
		answer.Data = append(answer.Data, datum{text})
	}
	_ = reply.Write(w, http.StatusOK, answer) // the connection ends with what there is of the reply
}

// A model is an entry of the list.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	Props   *props `json:"props,omitempty"` // with additional_data
}

// props are what the vendor says nothing of but the name.
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

func (v *vendor) models(w http.ResponseWriter, r *http.Request) {
	_, err := v.service.Caller(r.Context(), dialect.Key(r))
	whole, wrong := additional(r)
	if err = cmp.Or(err, wrong); err != nil {
		v.Fail(w, r, err)
		return
	}
	list := modelList{"list", []model{}}
	for _, m := range v.service.Models(r.Context(), v.Name()) {
		list.Data = append(list.Data, modelOf(m, whole))
	}
	dialect.WriteJSON(w, http.StatusOK, list)
}

func (v *vendor) model(w http.ResponseWriter, r *http.Request) {
	_, err := v.service.Caller(r.Context(), dialect.Key(r))
	if err == nil && r.PathValue("id") == "" {
		err = api.Errorf(api.CodeNotFound, "Not Found")
	}
	var m dialect.Model
	if err == nil {
		m, err = v.service.Model(r.Context(), v.Name(), r.PathValue("id"))
	}
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	dialect.WriteJSON(w, http.StatusOK, modelOf(m, false))
}
