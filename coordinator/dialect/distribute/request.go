package distribute

import (
	"regexp"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// The vendor's limits, and ours where its pages have none.
const (
	maxBody   = 64 << 10
	maxPrompt = 1000 // characters; the same for style
	maxModel  = 256
	maxN      = api.MaxImages // the vendor's list of values is not published
)

// sizes are what the vendor takes: each side 1 to 999, or exactly 1024.
const sizes = `^([1-9]\d{0,2}|1024)x([1-9]\d{0,2}|1024)$`

var sizePattern = regexp.MustCompile(sizes)

// defaultSize is made where a request names none.
const defaultSize = "768x768"

// The requests that have a field table.
const (
	create      = "images/create"
	generations = "images/generations"
	result      = "images/result"
)

// decode reads a request for pictures, and whether they come in the reply. Fields that the vendor does
// not document change nothing.
func decode(o *dialect.Object, kind string) (asked dialect.Request, base64 bool, err error) {
	asked = dialect.Request{Dialect: Name}
	if asked.Model = o.Words("model", maxModel); asked.Model == "" {
		o.Fault("model", "", "the name of a model")
	}
	job := &asked.Job
	job.Prompt = styled(o.Prompt("prompt", maxPrompt), o.Words("style", maxPrompt))
	job.GuidanceScale = scale(o.Int("guidance_scale", 1, 10))
	job.Steps = dialect.Whole(o.Int("num_inference_steps", 1, 50))
	job.N = dialect.Whole(o.Int("n", 1, maxN))
	last := int64(0)
	if job.N != nil {
		last = int64(*job.N) - 1
	}
	job.Seed = o.Int("seed", 0, api.MaxSeed-last)
	base64 = format(o, kind) == "b64_json"
	readSize(o, &asked)
	return asked, base64, o.Err()
}

// styled puts a style behind the prompt. OpenAI's two are no words for a picture.
func styled(prompt, style string) string {
	if style = strings.TrimSpace(style); style == "" || style == "vivid" || style == "natural" {
		return prompt
	}
	return prompt + ", " + style
}

func scale(whole *int64) *float64 {
	if whole == nil {
		return nil
	}
	s := float64(*whole)
	return &s
}

// format reads how the pictures come back. The result of an asynchronous job has no place for base64.
func format(o *dialect.Object, kind string) string {
	if kind == create {
		return o.Choice("response_format", "url")
	}
	return o.Choice("response_format", "url", "b64_json")
}

// readSize reads the size. Where there is none, the vendor's default is only a proposal.
func readSize(o *dialect.Object, asked *dialect.Request) {
	text := o.Text("size")
	asked.Sizing = dialect.NearestSize
	if text == "" {
		text, asked.Sizing = defaultSize, dialect.ModelSize
	}
	if !sizePattern.MatchString(text) {
		o.Fault("size", api.Quote(text), "WIDTHxHEIGHT, each 1 to 999 or 1024")
		return
	}
	width, height, _ := dialect.ParseSize(text) // it matches
	asked.Job.Width, asked.Job.Height = &width, &height
}
