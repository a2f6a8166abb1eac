package yescale

import (
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// The limits of the vendor's page, and easel's own where it has none.
const (
	maxBody   = 256 << 10
	maxPrompt = 1000 // characters
	maxModel  = 256
	maxN      = 10
)

// The requests that have a field table.
const (
	generations = "images/generations"
	submission  = "task/submit"
)

// sizes are those of the vendor's page, without its duplicates, and the two more of DALL-E 3, which is
// asked for at the same address.
var sizes = []string{
	"1024x512", "1024x1024", "1024x576", "1024x768", "512x1024", "512x768", "1280x960", "960x1280",
	"768x1366", "768x512", "1366x768", "1344x576", "1792x1024", "1024x1792",
}

// decode reads a request in OpenAI's form, and whether the pictures come in the reply. Fields that the
// vendor does not document change nothing.
func decode(o *dialect.Object) (asked dialect.Request, base64 bool, err error) {
	asked = dialect.Request{Dialect: Name, Model: o.Words("model", maxModel), Sizing: dialect.NearestSize}
	job := &asked.Job
	job.Prompt = o.Prompt("prompt", maxPrompt)
	job.N = dialect.Whole(o.Int("n", 1, maxN))
	o.Text("quality") // clients send it, and nothing here comes of it
	base64 = o.Choice("response_format", "url", "b64_json") == "b64_json"
	size, ratio := o.Choice("size", sizes...), shape(o)
	if size == "" {
		size = ratio
	}
	setSize(job, size)
	return asked, base64, o.Err()
}

// shape is the size for an aspect_ratio, "" where there is none.
func shape(o *dialect.Object) string {
	ratio := o.Text("aspect_ratio")
	if ratio == "" || strings.EqualFold(ratio, "auto") {
		return ""
	}
	size, ok := nearest(ratio)
	if !ok {
		o.Fault("aspect_ratio", api.Quote(ratio), "WIDTH:HEIGHT from 1:3 to 3:1, such as 16:9")
	}
	return size
}

// setSize sets the size of a job; "" leaves it to the catalog.
func setSize(job *api.JobRequest, size string) {
	if width, height, ok := dialect.ParseSize(size); ok {
		job.Width, job.Height = &width, &height
	}
}

// A task is a decoded request for a task.
type task struct {
	dialect.Request
	image string // what to start from: an address or a picture in base64, "" for nothing
}

// decodeTask reads a request for a task.
func decodeTask(o *dialect.Object) (task, error) {
	asked := task{Request: dialect.Request{Dialect: Name, Model: o.Words("model", maxModel), Sizing: dialect.NearestSize}}
	o.Choice("task_type", "generate")
	asked.Job.Prompt = o.Prompt("prompt", maxPrompt)
	config := o.Object("config")
	config.Text("quality") // clients send it, and nothing here comes of it
	size := config.Text("size")
	if strings.EqualFold(size, "auto") {
		size = ""
	}
	if w, h, ok := dialect.ParseSize(size); size != "" && (!ok || w > api.MaxSide || h > api.MaxSide) {
		config.Fault("size", api.Quote(size), "auto, or WIDTHxHEIGHT, each at most 4096")
	}
	if ratio := shape(config); size == "" {
		size = ratio
	}
	setSize(&asked.Job, size)
	if config.Choice("background", "auto", "opaque", "transparent") == "transparent" {
		asked.Job.Background = api.BackgroundTransparent
	}
	asked.image = onlyImage(config)
	return asked, o.Err()
}

// onlyImage is the picture to start from. More than one would need a model that sees them.
func onlyImage(config *dialect.Object) string {
	images := config.Texts("images")
	switch len(images) {
	case 0:
		return ""
	case 1:
		if images[0] == "" {
			config.Fault("images[0]", "", "an address or a picture in base64")
		}
		return images[0]
	}
	config.Fault("images", "several", "one: easel starts from a single picture")
	return ""
}
