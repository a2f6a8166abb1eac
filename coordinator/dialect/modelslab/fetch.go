package modelslab

import (
	"cmp"

	"github.com/easelgrid/easel/api"
)

// fetch answers with the images of an earlier request, whose id is in the path or in the body.
func (d *modelsLab) fetch(c *call) error {
	text := cmp.Or(c.R.PathValue("id"), c.body.WideText("request_id"))
	if err := c.body.Err(); err != nil {
		return err
	}
	if text == "" {
		c.body.Fault("request_id", "", required)
		return c.body.Err()
	}
	id, err := parseID(text)
	if err != nil {
		return err
	}
	job, err := d.service.Find(c.Context(), c.Who, Name, text)
	if err != nil {
		if api.AsError(err, api.CodeInternal).Code == api.CodeNotFound {
			return errNoRequest(text)
		}
		return err
	}
	if job.State.Terminal() {
		return d.finished(c, job, id, "")
	}
	return c.Reply(notYet{
		Status: "processing", Messege: tryAgain, Message: tryAgain, ID: id, ETA: max(1, d.eta(c.Context())), FutureLinks: d.links(c, job),
	})
}

func errNoRequest(id string) error {
	return api.Errorf(api.CodeNotFound, "request_id: there is no request %s", api.Quote(id))
}
