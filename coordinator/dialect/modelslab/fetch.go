package modelslab

import (
	"cmp"
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// fetch answers with the images of an earlier request, whose id is in the path or in the body.
func (d *modelsLab) fetch(c *call) error {
	text := cmp.Or(c.r.PathValue("id"), c.body.WideText("request_id"))
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
	job, err := d.service.Find(c.r.Context(), c.who, Name, text)
	if err != nil {
		if api.AsError(err, api.CodeInternal).Code == api.CodeNotFound {
			return errNoRequest(text)
		}
		return err
	}
	if job.State.Terminal() {
		return d.finished(c, job, id, "")
	}
	dialect.WriteJSON(c.w, http.StatusOK, notYet{
		Status: "processing", Messege: tryAgain, Message: tryAgain, ID: id, ETA: max(1, d.eta(c.r.Context())), FutureLinks: d.links(c, job),
	})
	return nil
}

func errNoRequest(id string) error {
	return api.Errorf(api.CodeNotFound, "request_id: there is no request %s", api.Quote(id))
}
