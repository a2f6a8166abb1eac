package yescale

import (
	"context"
	"strconv"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

type accepted struct {
	TaskID string `json:"task_id"`
}

// submit makes a task durable. Its id is the job's.
func (v vendor) submit(c *dialect.Call) error {
	o, err := c.Object(dialect.MaxBody)
	if err != nil {
		return err
	}
	asked, err := decodeTask(o)
	if err != nil {
		return err
	}
	if asked.Job.InitImage, err = v.picture(c.Context(), asked.image); err != nil {
		return err
	}
	job, err := c.Submit(v.service, asked.Request)
	if err != nil {
		return err
	}
	return c.Reply(accepted{job.ID})
}

// picture is what an address or a text in base64 stands for.
func (v vendor) picture(ctx context.Context, image string) ([]byte, error) {
	if image == "" {
		return nil, nil
	}
	if strings.Contains(image, "://") {
		file, err := v.service.Fetch(ctx, image)
		return file, dialect.Rename(err, map[string]string{"url": "config.images[0]"})
	}
	file, err := dialect.DecodePicture(image)
	if err != nil {
		return nil, api.Invalid([]api.Fault{{Field: "config.images[0]", Limit: "an address or a picture in base64"}})
	}
	return file, nil
}

// The states of a task.
const (
	processing = "PROCESSING"
	success    = "SUCCESS"
	failure    = "FAILURE"
)

// A report is the state of a task as its client reads it.
type report struct {
	TaskID   string `json:"task_id"`
	Status   string `json:"status"`
	Progress string `json:"progress"` // such as "40%", as New API writes it
	Result   result `json:"task_result"`
	Reason   string `json:"err_reason"` // of a failure, or ""
}

// A result is empty until the task has succeeded. Some clients read the list, some the one address.
type result struct {
	URL    string `json:"url,omitempty"`
	Images []link `json:"images"`
}

type link struct {
	URL string `json:"url"`
}

// task reports on a task.
func (v vendor) task(c *dialect.Call) error {
	id := c.R.PathValue("id")
	job, err := v.service.Find(c.Context(), c.Who, Name, id)
	if err != nil {
		return err
	}
	body := report{TaskID: id, Status: processing, Progress: percent(job), Result: result{Images: []link{}}}
	if job.State == api.StateSucceeded {
		body.Status = success
		for _, image := range job.Images {
			body.Result.Images = append(body.Result.Images, link{v.service.URL(c.R, job, image.Index)})
		}
		if len(job.Images) > 0 {
			body.Result.URL = body.Result.Images[0].URL
		}
	} else if job.State.Terminal() {
		body.Status, body.Reason = failure, dialect.JobError(job).Error()
	}
	return c.Reply(body)
}

// percent is how much of a job is done: of all steps of all images.
func percent(job api.Job) string {
	done := 0
	switch p := job.Progress; {
	case job.State.Terminal():
		done = 100
	case p != nil && p.Steps > 0 && job.Spec.N > 0:
		done = min(99, 100*(p.Image*p.Steps+p.Step)/(p.Steps*job.Spec.N))
	}
	return strconv.Itoa(max(done, 0)) + "%"
}
