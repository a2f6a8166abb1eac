package openai

import (
	"fmt"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// edit decodes the form of a request to edit an image.
func edit(form *dialect.Form) (order, error) {
	a := order{event: "image_edit"}
	a.job.Job.Prompt = form.Prompt("prompt", maxPrompt)
	a.read(form.Object)
	a.streaming(form.Object)
	a.harmless(form.Object)
	a.job.Job.InitImage = single(form, "image", "image", "image[]")
	a.mask(form)
	if files := form.Files["markup"]; len(files) > 0 {
		form.Fault("markup", "a file", "nothing: drawings over the image are not understood, mask says what is edited")
	}
	form.Refuse("markup", "drawings over the image are not understood, mask says what is edited")
	if form.Choice("input_fidelity", "high", "low") == "high" && a.job.Job.MaskImage == nil {
		strength := strengthOfFidelity
		a.job.Job.Strength = &strength
	}
	form.Strict()
	return a, form.Refusal()
}

// strengthOfFidelity is how much of the image input_fidelity high gives up; 0.8 is what api has otherwise.
const strengthOfFidelity = 0.6

// single takes the one picture of the names.
func single(form *dialect.Form, field string, names ...string) []byte {
	files := form.Pictures(names...)
	switch {
	case len(files) > 1:
		form.Fault(field, fmt.Sprintf("%d images", len(files)), "one image: no model here looks at several")
		return nil
	case len(files) == 1:
		return files[0]
	case !form.HasFault(field):
		form.Miss(field, "an image file")
	}
	return nil
}

// mask turns OpenAI's mask, in which nothing is where the image is to be edited, into ours.
func (a *order) mask(form *dialect.Form) {
	files := form.Pictures("mask")
	if len(files) == 0 {
		return
	}
	if len(files) > 1 {
		form.Fault("mask", fmt.Sprintf("%d files", len(files)), "one file")
		return
	}
	if form.HasFault("mask") {
		return
	}
	mask, err := maskOfAlpha(files[0])
	if err != nil {
		form.Wrong("mask", err)
		return
	}
	if given, err := api.ReadInput(a.job.Job.InitImage); err == nil {
		if m, _ := api.ReadInput(mask); m.Width != given.Width || m.Height != given.Height {
			form.Fault("mask", fmt.Sprintf("%d x %d pixels", m.Width, m.Height), fmt.Sprintf("%d x %d, the size of image", given.Width, given.Height))
		}
	}
	a.job.Job.MaskImage = mask
}

// variation decodes the form of a request for images like another one.
func variation(form *dialect.Form) (order, error) {
	a := order{event: "image_generation", format: api.FormatPNG}
	a.read(form.Object)
	a.inBase64 = form.Text("response_format") == "b64_json"
	a.job.Job.InitImage = single(form, "image", "image")
	strength, guidance := strengthOfVariation, 1.0
	a.job.Job.Prompt, a.job.Job.Strength, a.job.Job.GuidanceScale = promptOfVariation, &strength, &guidance
	form.Strict()
	return a, form.Refusal()
}

// A variation has no prompt. A dot asks for least, and without guidance it is the image that counts.
const (
	promptOfVariation   = "."
	strengthOfVariation = 0.6
)
