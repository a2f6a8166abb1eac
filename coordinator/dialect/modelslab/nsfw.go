package modelslab

import (
	"slices"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// nsfwCheck lets a model with a safety checker look at a picture. Runtimes check what they make, so the
// picture goes through the model with the least change there is: the last of very many steps. Without
// such a model the check is refused: nothing is called checked that was not.
func (d *modelsLab) nsfwCheck(c *call) error {
	address := c.body.must("init_image")
	models := d.service.Models(c.Context(), Name)
	checker := slices.IndexFunc(models, func(m dialect.Model) bool { return m.SafetyChecker })
	picture, err := d.picture(c.Context(), address)
	notePicture(c.body, "init_image", err)
	if err := c.body.Err(); err != nil {
		return err
	}
	if checker < 0 {
		return api.Errorf(api.CodeUnsupported, "nsfw_image_check is not done here: no model has a safety checker")
	}
	job, err := c.Submit(d.service, dialect.Request{Dialect: Name, Model: models[checker].ID, Job: leastChange(picture)})
	if err != nil {
		return err
	}
	if job, err = d.service.Wait(c.Patient(c.Context()), job.ID, nil); err != nil {
		return err
	}
	if job.State != api.StateSucceeded || job.Receipt == nil || job.Receipt.Safety != api.SafetyChecked {
		return api.Errorf(api.CodeUnsupported, "the image was not checked: %s", reason(job))
	}
	return c.Reply(struct {
		Image string `json:"images"`
		NSFW  []bool `json:"has_nsfw_concept"`
	}{d.service.URL(c.R, job, 0), []bool{slices.ContainsFunc(job.Images, func(i api.Image) bool { return i.Flagged })}})
}

// leastChange makes one step of the many.
func leastChange(picture []byte) api.JobRequest {
	steps, strength, check := api.MaxSteps, 1.5/api.MaxSteps, true
	return api.JobRequest{
		Prompt: "a picture", InitImage: picture, Steps: &steps, Strength: &strength, Scheduler: "DDIMScheduler",
		SafetyCheck: &check, SafetyAction: api.SafetyBlack,
	}
}
