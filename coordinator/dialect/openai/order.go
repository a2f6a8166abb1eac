package openai

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// An order is what a request asks for.
type order struct {
	event    string // what the events of a stream begin with: "image_generation" or "image_edit"
	job      dialect.Request
	inBase64 bool // and not by address
	stream   bool
	partials int
	quality  string // as asked
	format   api.Format
	revised  bool // whether clients expect a revised_prompt
}

// generation decodes the body of a request for images.
func generation(o *dialect.Object) (order, error) {
	a := order{event: "image_generation"}
	a.job.Job.Prompt = o.Prompt("prompt", maxPrompt)
	a.read(o)
	a.streaming(o)
	o.Choice("moderation", "low", "auto")
	o.Choice("style", "vivid", "natural")
	o.Refuse("svg", "no vector graphics are made")
	a.harmless(o)
	o.Strict()
	return a, o.Refusal()
}

// maxPrompt is OpenAI's limit in characters. Ours, in bytes, is lower.
const maxPrompt = 32_000

// read decodes what all three requests for images have.
func (a *order) read(o *dialect.Object) {
	a.job.Dialect = "openai"
	a.job.Model = o.Text("model")
	a.revised = strings.HasPrefix(a.job.Model, "dall-e-3")
	a.job.Job.N = dialect.Whole(o.Int("n", 1, api.MaxImages))
	a.size(o)
	o.Text("user")
	switch o.Choice("response_format", "url", "b64_json") {
	case "b64_json":
		a.inBase64 = true
	case "":
		// The documented defaults: DALL-E answers by address and is the model where none is named,
		// unless the request has what only the GPT image models know.
		a.inBase64 = !strings.HasPrefix(cmp.Or(a.job.Model, "dall-e-2"), "dall-e") || a.job.Model == "" && gptOnly(o)
	}
}

// gptOnly reports whether the request has a field that only the GPT image models know.
func gptOnly(o *dialect.Object) bool {
	for _, field := range []string{"background", "moderation", "output_format", "output_compression", "stream", "partial_images", "input_fidelity"} {
		if o.Has(field) {
			return true
		}
	}
	return false
}

func (a *order) size(o *dialect.Object) {
	text := o.Text("size")
	if text == "" || text == "auto" {
		return
	}
	width, height, ok := dialect.ParseSize(text)
	if !ok || width > api.MaxSide || height > api.MaxSide {
		o.Fault("size", api.Quote(text), fmt.Sprintf(`auto or WIDTHxHEIGHT, such as "1024x1024", each at most %d`, api.MaxSide))
		return
	}
	a.job.Job.Width, a.job.Job.Height = &width, &height
}

// streaming decodes what generations and edits have besides.
func (a *order) streaming(o *dialect.Object) {
	a.quality = o.Choice("quality", "low", "medium", "high", "auto", "standard", "hd", "xhigh", "max")
	a.output(o)
	if partials := o.Int("partial_images", 0, 3); partials != nil {
		a.partials = int(*partials)
	}
	stream := o.Bool("stream")
	a.stream = stream != nil && *stream
	if a.stream && o.Has("response_format") && !a.inBase64 {
		o.Fault("response_format", `"url"`, "b64_json with stream: events carry the images themselves")
	}
}

// output decodes format, compression and background.
func (a *order) output(o *dialect.Object) {
	a.format = cmp.Or(api.Format(o.Choice("output_format", "png", "jpeg", "webp")), api.FormatPNG)
	a.job.Job.Format = a.format
	compression := o.Int("output_compression", 0, 100)
	if a.format != api.FormatPNG {
		quality := 100
		if compression != nil {
			quality = max(1, int(*compression))
		}
		a.job.Job.Quality = &quality
	} else if compression != nil && *compression < 100 {
		o.Fault("output_compression", string(o.Raw("output_compression")), "100 with output_format png, which has no other")
	}
	if o.Choice("background", "transparent", "opaque", "auto") == "transparent" {
		a.job.Job.Background = api.BackgroundTransparent
		if a.format == api.FormatJPEG {
			o.Fault("background", `"transparent"`, "opaque with output_format jpeg, which knows no transparency")
		}
	}
}

// harmless decodes what changes nothing here, and refuses what only animations have.
func (a *order) harmless(o *dialect.Object) {
	o.Text("safety_identifier")
	o.Choice("complexity", "low", "medium", "high")
	o.Refuse("frame_count", "no animations are made")
	o.Refuse("frame_duration_ms", "no animations are made")
}

// effort is how many times the model's own steps a quality takes.
var effort = map[string]float64{"low": 0.5, "high": 1.5, "hd": 1.5, "xhigh": 2, "max": 3}

// fit turns the quality into steps of the model, where it asks for other than the model's own.
func (a order) fit() func(dialect.Model, *api.JobRequest) error {
	times, ok := effort[a.quality]
	if !ok {
		return nil
	}
	return func(m dialect.Model, job *api.JobRequest) error {
		steps := min(max(1, int(float64(m.Steps)*times+0.5)), api.MaxSteps)
		job.Steps = &steps
		return nil
	}
}

// effective is the quality as replies name it.
func (a order) effective() string {
	switch a.quality {
	case "hd":
		return "high"
	case "", "auto", "standard":
		return "medium"
	}
	return a.quality
}
