package deepfellow

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// The limits of the vendor.
const (
	minSide, maxSide = 64, 2048
	autoSide         = 512
	maxImages        = 4
)

// qualities are the steps of each; auto leaves them to the model.
var qualities = map[string]int{"low": 15, "medium": 20, "high": 35}

// decode reads a request. What the vendor checks after all fields, and reports as one text, comes last.
func decode(o *dialect.Object, settings bool) (dialect.Request, error) {
	r := dialect.Request{Dialect: "deepfellow", Model: o.Text("model"), Sizing: dialect.NearestSize}
	j := &r.Job
	j.Prompt = o.Prompt("prompt", api.MaxPromptBytes)
	j.N = dialect.Whole(o.Int("n", 1, maxImages))
	if steps, ok := qualities[o.Choice("quality", "low", "medium", "high", "auto")]; ok {
		j.Steps = &steps
	}
	readSize(o, j)
	readOutput(o, j)
	o.Choice("moderation", "low", "auto")
	o.Choice("style", "vivid", "natural")
	o.Text("user")
	where := o.Choice("response_format", "url", "b64_json")
	stream, partials := o.Bool("stream"), o.Int("partial_images", 0, 3)
	if settings {
		readSettings(o, j)
	}
	if err := o.Refusal(); err != nil {
		return dialect.Request{}, err
	}
	var unsupported []string
	for text, asked := range map[string]bool{
		"Stream not supported":              stream != nil && *stream,
		"Partial images not supported":      partials != nil && *partials > 0,
		"Response format url not supported": where == "url",
	} {
		if asked {
			unsupported = append(unsupported, text)
		}
	}
	return r, unsupportedError(unsupported)
}

// readSize reads "WIDTHxHEIGHT". What is not given is auto.
func readSize(o *dialect.Object, j *api.JobRequest) {
	width, height := autoSide, autoSide
	if text := cmp.Or(o.Text("size"), "auto"); text != "auto" {
		var ok bool
		if width, height, ok = dialect.ParseSize(text); !ok || min(width, height) < minSide || max(width, height) > maxSide {
			o.Fault("size", api.Quote(text), fmt.Sprintf("auto or WIDTHxHEIGHT, each from %d to %d", minSide, maxSide))
		}
	}
	j.Width, j.Height = &width, &height
}

func sizeText(width, height int) string { return fmt.Sprintf("%dx%d", width, height) }

// readOutput reads format, compression and background.
func readOutput(o *dialect.Object, j *api.JobRequest) {
	j.Format = cmp.Or(api.Format(o.Choice("output_format", "png", "webp", "jpeg")), api.FormatPNG)
	compression := o.Int("output_compression", 0, 100)
	if j.Format != api.FormatPNG { // png has none, and the field is sent with it all the same
		quality := 95
		if compression != nil {
			quality = max(1, int(*compression))
		}
		j.Quality = &quality
	}
	if o.Choice("background", "auto", "transparent", "opaque") == "transparent" {
		j.Background = api.BackgroundTransparent
		if j.Format == api.FormatJPEG {
			o.Fault("background", `"transparent"`, "opaque with output_format jpeg, which knows no transparency")
		}
	}
}

// The marks of settings inside of a prompt.
const settingsBegin, settingsEnd = "<sd>", "</sd>"

// readSettings takes the settings out of the prompt. They come before the request's other fields.
func readSettings(o *dialect.Object, j *api.JobRequest) {
	before, rest, found := strings.Cut(j.Prompt, settingsBegin)
	if !found {
		return
	}
	inside, after, closed := strings.Cut(rest, settingsEnd)
	if !closed || strings.Contains(after, settingsBegin) {
		o.Fault("prompt", "settings", "one pair of "+settingsBegin+" and "+settingsEnd)
		return
	}
	j.Prompt = strings.TrimSpace(strings.TrimSpace(before) + " " + strings.TrimSpace(after))
	if j.Prompt == "" {
		o.Miss("prompt", "a text besides the settings")
	}
	s, err := dialect.ParseObject([]byte(inside))
	if err != nil {
		o.Fault("prompt", "settings that are no JSON object", "a JSON object between "+settingsBegin+" and "+settingsEnd)
		return
	}
	readOverrides(s, j)
	s.Strict()
	if err := s.Err(); err != nil {
		for _, f := range api.AsError(err, "").Faults {
			o.Fault("prompt", settingsBegin+" "+f.Field+" "+f.Value, f.Limit)
		}
	}
}

func readOverrides(s *dialect.Object, j *api.JobRequest) {
	j.NegativePrompt = s.Words("negative_prompt", api.MaxPromptBytes)
	if name := s.Text("sampler_name"); name != "" {
		var ok bool
		if j.Scheduler, j.SchedulerOptions, ok = scheduler(name); !ok {
			s.Fault("sampler_name", api.Quote(name), "one of "+samplerNames())
		}
	}
	if skip := s.Int("clip_skip", 1, api.MaxClipSkip+1); skip != nil {
		left := int(*skip) - 1 // 1 is the last layer there, none left out here
		j.ClipSkip = &left
	}
	for field, to := range map[string]struct {
		to          **int
		least, most int64
	}{
		"steps": {&j.Steps, 1, 50}, "width": {&j.Width, minSide, maxSide}, "height": {&j.Height, minSide, maxSide}, "n_iter": {&j.N, 1, maxImages},
	} {
		if value := s.Int(field, to.least, to.most); value != nil {
			*to.to = dialect.Whole(value)
		}
	}
	if scale := s.Number("cfg_scale", 1, 30); scale != nil {
		j.GuidanceScale = scale
	}
}
