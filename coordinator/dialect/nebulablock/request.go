package nebulablock

import (
	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// The limits. The vendor's pages have none: they are easel's own.
const (
	maxModel  = 256
	maxPrompt = api.MaxPromptBytes
	minSide   = api.MinSide
	maxSide   = api.MaxSide
)

// sideStep is what the vendor brings the sides of a picture to.
const sideStep = 16

// The requests that have a field table.
const generation = "images/generation"

// decode reads a request for pictures. Fields that the vendor does not document change nothing.
func decode(o *dialect.Object) (dialect.Request, error) {
	asked := dialect.Request{Dialect: Name, Model: o.Words(o.First("model", "model_name"), maxModel)}
	job := &asked.Job
	job.Prompt = o.Prompt("prompt", maxPrompt)
	job.NegativePrompt = o.Words("negative_prompt", maxPrompt)
	job.Width = side(o.Int("width", minSide, maxSide))
	job.Height = side(o.Int("height", minSide, maxSide))
	job.Steps = dialect.Whole(o.Int("num_steps", 1, api.MaxSteps))
	job.GuidanceScale = o.Number("guidance_scale", 0, api.MaxGuidanceScale)
	job.N = dialect.Whole(o.Int("n", 1, api.MaxImages))
	job.Seed = seed(o, job.N)
	pictures(o, job)
	return asked, o.Err()
}

// side is brought to the nearest multiple of 16, as the vendor does.
func side(asked *int64) *int {
	if asked == nil {
		return nil
	}
	return new(min(int(*asked+sideStep/2)/sideStep*sideStep, maxSide))
}

// seed is nil, for one drawn at random, where it is absent or -1.
func seed(o *dialect.Object, n *int) *int64 {
	last := int64(0)
	if n != nil {
		last = int64(*n) - 1
	}
	asked := o.Int("seed", -1, api.MaxSeed-last)
	if asked != nil && *asked == -1 {
		return nil
	}
	return asked
}

// pictures reads what is to be changed and where, under the names of either version of the API.
func pictures(o *dialect.Object, job *api.JobRequest) {
	job.InitImage = o.Picture(o.First("image", "input_image"))
	mask := o.First("mask", "mask_image")
	job.MaskImage = o.Picture(mask)
	if job.MaskImage == nil {
		if job.InitImage != nil && job.Steps != nil && *job.Steps < 2 {
			o.Fault("num_steps", "1", "at least 2 to change an image without mask")
		}
		return
	}
	if job.InitImage == nil {
		if o.Err() == nil { // an image with a fault of its own is not missing
			o.Fault(mask, "", "only with image")
		}
		return
	}
	image, _ := api.ReadInput(job.InitImage) // both were read before
	if m, _ := api.ReadInput(job.MaskImage); m.Width != image.Width || m.Height != image.Height {
		o.Fault(mask, dialect.SizeText(m.Width, m.Height), dialect.SizeText(image.Width, image.Height)+", the size of image")
	}
}
