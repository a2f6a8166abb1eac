// Package modelslab speaks the image API of ModelsLab, which was stablediffusionapi.com before:
// text2img, img2img, inpaint, fetch and what belongs to them.
//
// The vendor's pages and its clients contradict each other in places. What this package chose:
//
//   - A request that fails is answered with its own HTTP status (400, 401, 402, 403, 404, 429), as the
//     vendor's pages of 2026 have it, with status "error" in the body. The vendor's SDKs raise on it at once;
//     with 200, as in its older pages, they would go on polling.
//   - A job that fails is no failed request: 200 and status "failed", as in the vendor's webhooks.
//   - Errors have their text under "message" and under "messege", because clients read either.
//   - A reply comes when the job is done, but after at most ten seconds: then with status "processing".
//   - "base64": the output has plain base64 without a data URI before it.
//   - A field that is left out takes the model's default in the catalog, not the vendor's.
package modelslab

import (
	"net/http"
	"strings"
	"time"

	"github.com/easelgrid/easel/coordinator/dialect"
)

// Name is what API keys are bound to and catalogs give aliases for.
const Name = "modelslab"

// patience is how long a client waits for its images before the reply is that it has to fetch them.
const patience = 10 * time.Second

// Service is what the dialect needs of the coordinator.
type Service interface {
	dialect.Callers
	dialect.Offers
	dialect.Maker
	dialect.Jobs
	dialect.Queue
	dialect.Pictures
	dialect.Links
	dialect.Fetcher
	dialect.Uploads
}

// modelsLab is the dialect.
type modelsLab struct {
	service   Service
	patience  time.Duration
	ids       *ids
	strangers chan struct{} // holds a token for each large request that is read before its key
}

// New makes the dialect.
func New(s Service) dialect.Dialect {
	return &modelsLab{service: s, patience: patience, ids: &ids{now: time.Now}, strangers: make(chan struct{}, strangersAtOnce)}
}

func (d *modelsLab) Name() string { return Name }

// The paths before the verbs. The documented ones are the first of each list; the vendor's SDKs, its
// older pages and clients written after those call the others.
var (
	imagePaths = []string{
		"/api/v1/enterprise", "/api/v1/enterprise/images", "/api/v6/images",
		"/api/v1/enterprise/realtime", "/api/v6/realtime", "/api/v7/images", "/api/v3", "/api/v3/dreambooth", "/api/v4/dreambooth",
	}
	controlPaths = []string{"/api/v1/enterprise", "/api/v1/enterprise/images", "/api/v6/images", "/api/v5"}
	serverPaths  = []string{"/api/v1/enterprise", "/api/v1/enterprise/images"}
	// The bare paths make images from text.
	barePaths = []string{"/api/v3/dreambooth", "/api/v4/dreambooth"}
)

// An endpoint is what one verb does, wherever it is.
type endpoint struct {
	verb    string   // the end of the path
	methods []string // POST unless given
	under   []string
	request string // whose fields it takes: see fields.go
	reply   string // the schema of its success: see openapi.go
	summary string
	handle  func(d *modelsLab, c *call) error
}

func endpoints() []endpoint {
	list := []endpoint{
		{verb: "text2img", under: imagePaths, request: textToImage, reply: "Generation", summary: "Make images from text", handle: generating(textToImage)},
		{verb: "", under: barePaths, request: textToImage, reply: "Generation", summary: "Make images from text", handle: generating(textToImage)},
		{verb: "img2img", under: imagePaths, request: imageToImage, reply: "Generation", summary: "Make images from an image", handle: generating(imageToImage)},
		{verb: "inpaint", under: imagePaths, request: inpaint, reply: "Generation", summary: "Paint a part of an image anew", handle: generating(inpaint)},
		{verb: "controlnet", under: controlPaths, request: controlNet, reply: "Generation", summary: "Refused: no runtime does ControlNet", handle: (*modelsLab).controlNet},
		{verb: "fetch", methods: []string{http.MethodPost, http.MethodGet}, under: imagePaths, request: fetch, reply: "Fetched", summary: "Ask for the images of an earlier request", handle: (*modelsLab).fetch},
		{verb: "fetch/{id}", methods: []string{http.MethodPost, http.MethodGet}, under: imagePaths, request: keyOnly, reply: "Fetched", summary: "Ask for the images of an earlier request", handle: (*modelsLab).fetch},
		{verb: "system_details", under: serverPaths, request: keyOnly, reply: "SystemDetails", summary: "How many models there are and how long the queue is", handle: (*modelsLab).systemDetails},
		{verb: "get_all_models", under: serverPaths, request: keyOnly, reply: "Models", summary: "List the models", handle: (*modelsLab).allModels},
		{verb: "schedulers_list", under: serverPaths, request: keyOnly, reply: "Schedulers", summary: "List the schedulers", handle: (*modelsLab).schedulers},
		{verb: "verify_model", under: serverPaths, request: verifyModel, reply: "Message", summary: "Whether a model is there", handle: (*modelsLab).verifyModel},
		{verb: "clear_queue", under: serverPaths, request: keyOnly, reply: "Message", summary: "Cancel all of the caller's jobs that wait", handle: (*modelsLab).clearQueue},
		{verb: "upload_image", under: serverPaths, request: uploadImage, reply: "Upload", summary: "Keep an image for a while", handle: (*modelsLab).uploadImage},
		{verb: "nsfw_image_check", under: serverPaths, request: nsfwCheck, reply: "NSFW", summary: "Check an image with a model's safety checker", handle: (*modelsLab).nsfwCheck},
	}
	for _, verb := range refusedVerbs {
		list = append(list, endpoint{
			verb: verb, under: serverPaths, request: keyOnly, reply: "Message",
			summary: "Refused: " + notDone[verb], handle: refusing(verb),
		})
	}
	return list
}

func (e endpoint) allMethods() []string {
	if e.methods == nil {
		return []string{http.MethodPost}
	}
	return e.methods
}

func (e endpoint) path(under string) string {
	return strings.TrimSuffix(under+"/"+e.verb, "/")
}

// Routes are the endpoints under all of their paths.
func (d *modelsLab) Routes() []dialect.Route {
	var routes []dialect.Route
	for _, e := range endpoints() {
		for _, under := range e.under {
			for _, method := range e.allMethods() {
				routes = append(routes, d.route(e, method, under))
			}
		}
	}
	return routes
}

func (d *modelsLab) route(e endpoint, method, under string) dialect.Route {
	frame := dialect.Frame[*call]{Admit: d.admit, Fail: d.Fail}
	return frame.Route(dialect.Route{Method: method, Path: e.path(under)}, func(c *call) error {
		c.under = under
		return e.handle(d, c)
	})
}
