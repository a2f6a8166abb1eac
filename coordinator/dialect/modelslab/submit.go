package modelslab

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// generating handles text2img, img2img and inpaint.
func generating(request string) func(*modelsLab, *call) error {
	return func(d *modelsLab, c *call) error {
		g := decodeGeneration(c.body, request)
		job, id, err := d.submit(c, g)
		if err != nil {
			return err
		}
		if job, err = d.wait(c, g, job); err != nil {
			return err
		}
		return d.reply(c, g, job, id)
	}
}

// submit makes the job durable under a number that was not used before. Another coordinator's clock
// can have made the same one, but hardly three times.
func (d *modelsLab) submit(c *call, g generation) (job api.Job, id int64, err error) {
	fit := &fitting{d: d, c: c, g: g}
	r := dialect.Request{Dialect: Name, Model: g.model, Webhook: g.hook, Fit: fit.job}
	for range 3 {
		id = d.ids.next(g.base64)
		r.Alias = strconv.FormatInt(id, 10)
		job, err = c.Submit(d.service, r)
		if err == nil || api.AsError(err, api.CodeInternal).Code != api.CodeConflict {
			break
		}
	}
	if err != nil && !fit.done {
		err = noModel(c.body, g.model, err)
	}
	return job, id, err
}

// noModel adds that there is no such model to the faults of a request that has others.
func noModel(f *form, name string, err error) error {
	if api.AsError(err, api.CodeInternal).Code != api.CodeModelNotFound {
		return err
	}
	if f.Err() == nil {
		return modelNotFound(name)
	}
	f.Fault("model_id", api.Quote(name), "a model that is there")
	return f.Err()
}

func modelNotFound(name string) error {
	return api.Errorf(api.CodeModelNotFound, "Model not found: %s", strings.Trim(api.Quote(name), `"`))
}

// A fitting makes the job of a generation when its model is known, once: it fetches the pictures.
type fitting struct {
	d    *modelsLab
	c    *call
	g    generation
	done bool
	made api.JobRequest
	err  error // lists every fault of the request
}

func (f *fitting) job(m dialect.Model, job *api.JobRequest) error {
	if !f.done {
		f.done = true
		f.made = f.g.complete(m)
		f.made.InitImage, f.made.MaskImage = f.d.pictures(f.c.Context(), f.c.body, f.g)
		if skip := f.made.ClipSkip; skip != nil && *skip > m.TextLayers {
			f.c.body.Fault("clip_skip", strconv.Itoa(*skip+1), "1 to "+strconv.Itoa(m.TextLayers+1)+", the layers of the model's text encoder")
		}
		addSpecFaults(f.c.body, f.made, m)
		f.err = f.c.body.Err()
	}
	*job = f.made
	return f.err
}

// addSpecFaults notes what the job's specification would be refused for, so that the client reads it
// with everything else. A field that has a fault already, or a picture that did not come, is not
// blamed again.
func addSpecFaults(f *form, job api.JobRequest, m dialect.Model) {
	blamed := map[string]bool{}
	if err := f.Err(); err != nil {
		for _, fault := range api.AsError(err, api.CodeInternal).Faults {
			blamed[fault.Field] = true
		}
	}
	if blamed["init_image"] { // what needs one would be blamed for its absence
		blamed["strength"], blamed["mask_image"] = true, true
	}
	_, faults := job.Spec(m.Model, 1)
	for _, fault := range faults {
		if !blamed[vendorName(fault.Field)] {
			f.Fault(vendorName(fault.Field), fault.Value, fault.Limit)
		}
	}
}

// wait gives the job some time. A client that goes away takes its job with it, unless a webhook reports
// the end or the client may come again with its Idempotency-Key.
func (d *modelsLab) wait(c *call, g generation, job api.Job) (api.Job, error) {
	if g.instant {
		return job, nil
	}
	ctx := c.Context()
	if g.hook != nil {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	done, err := d.service.Wait(c.Patient(ctx), job.ID, nil)
	if errors.Is(err, context.DeadlineExceeded) {
		return job, nil
	}
	return done, err
}
