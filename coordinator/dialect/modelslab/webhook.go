package modelslab

import (
	"strconv"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// notified is the body of a webhook about images. Their output is always addresses: a receiver of webhooks
// is no place for megabytes.
type notified struct {
	success
	TrackID *string `json:"track_id"`
}

// notifiedFailed is the body of a webhook about a job without images.
type notifiedFailed struct {
	failed
	TrackID *string `json:"track_id"`
}

// Notification is the body that reports a settled job.
func (d *modelsLab) Notification(job api.Job, hook dialect.Webhook, address func(index int) string) (any, error) {
	id, err := strconv.ParseInt(hook.ID, 10, 64)
	if err != nil {
		return nil, err
	}
	if job.State == api.StateSucceeded {
		return notified{succeeded(job, id, links(job, address)), orNull(hook.TrackID)}, nil
	}
	text := reason(job)
	return notifiedFailed{failed{Status: "failed", ID: id, Message: text, Messege: text, Output: []string{}}, orNull(hook.TrackID)}, nil
}
