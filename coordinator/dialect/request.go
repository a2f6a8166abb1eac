package dialect

import "github.com/easelgrid/easel/api"

// A Request is a job as a dialect wants it.
type Request struct {
	Dialect string
	// Model is as the client named it. What Job leaves out takes the catalog's defaults.
	Model string
	Job   api.JobRequest
	// Fit changes the job to suit its model, or refuses it, as where steps are a multiple of the model's
	// own. Submit calls it once, when it has found the model and before it checks the job. It may be nil.
	Fit func(m Model, job *api.JobRequest) error
	// Sizing is what becomes of a size that the model cannot make.
	Sizing Sizing
	// Alias is another id for the job, such as a UUID or a number that the vendor's clients expect;
	// it must not have been used before. "" for none.
	Alias          string
	IdempotencyKey string
	Webhook        *Webhook
}

// A Webhook is the address that the end of a job is reported to. The body is the dialect's: see [Notifier].
type Webhook = api.Webhook

// A Notifier is a Dialect that sends webhooks.
type Notifier interface {
	// Notification is the body that reports a settled job. Image addresses come from the function.
	Notification(job api.Job, hook Webhook, url func(index int) string) (any, error)
}
