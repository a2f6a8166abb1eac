// Package dialect is what the wire formats of other vendors' image APIs have in common.
//
// A dialect is one package below this one. It decodes its vendor's requests into a [Request], encodes
// what became of the job, and says errors in its vendor's form; the work is done by the [Service] that
// the coordinator gives it.
package dialect

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
)

// A Dialect is one vendor's API.
type Dialect interface {
	// Name is what API keys are bound to and catalogs give aliases for, such as "openai".
	Name() string
	// Routes are all paths of the API.
	Routes() []Route
	// Fail answers a request with an error in the vendor's form: one of its own handlers' or one from
	// around them, such as a missing key or a used-up quota. An error with RetryAfter comes with it.
	Fail(w http.ResponseWriter, r *http.Request, err error)
	// Describe is the OpenAPI 3.1 document of the routes.
	Describe() map[string]any
	// Fields are every documented field of the vendor's requests and what easel does with it.
	Fields() []Field
}

// A Route is a method and a path as the vendor documents it.
type Route struct {
	Method string
	Path   string // in the form of http.ServeMux, such as "/v1/models/{id}"
	// Prefix is put before the path where another vendor has the same one, such as "/deepfellow". A
	// request whose API key is bound to the dialect needs no prefix.
	Prefix string
	Handle func(w http.ResponseWriter, r *http.Request)
}

// A Field is one documented field of a request.
type Field struct {
	Request string // which, such as "text2img"
	Name    string
	Use     Use
	Note    string // what it becomes, its limits, or why it is refused
}

// Use is what easel does with a field.
type Use string

// The uses of a field.
const (
	Used     Use = "used"
	Harmless Use = "accepted, no effect"
	Refused  Use = "refused with an error"
)

// A Service does the work. Its errors are *api.Error; a dialect says them in its own form.
type Service interface {
	// Caller finds out whose key it is. Every other method that takes a Caller checks what it may do.
	Caller(ctx context.Context, key string) (Caller, error)

	// Models lists the catalog for a dialect, by the name that its clients know them by.
	Models(ctx context.Context, dialect string) []Model
	// Model finds a model by the dialect's name for it, by an alias or by its own name; "" is the default.
	Model(ctx context.Context, dialect, name string) (Model, error)

	// Fetch gets a picture from a public address: never from a private one, at most api.MaxInputBytes.
	Fetch(ctx context.Context, address string) ([]byte, error)

	// Submit makes a job durable. A repeated Request.IdempotencyKey of the same caller gives the same job.
	Submit(ctx context.Context, who Caller, r Request) (api.Job, error)
	// Find turns an Alias or a job's own id into the caller's job.
	Find(ctx context.Context, who Caller, dialect, id string) (api.Job, error)
	// Wait follows a job until it is settled, and calls watch, which may be nil, for everything that
	// happens on the way. When ctx is canceled first, as when the client went away, the job is canceled
	// where the coordinator is configured so, and the error is ctx's. When ctx's deadline passes first,
	// or watch returns an error, the job goes on and that is the error: so a dialect that answers
	// "still processing" waits with context.WithTimeout.
	Wait(ctx context.Context, job string, watch func(Event) error) (api.Job, error)
	// Cancel ends a job of the caller's; one that is settled stays as it is.
	Cancel(ctx context.Context, who Caller, job string) error
	// CancelQueued ends all of the caller's jobs that wait, and says how many they were.
	CancelQueued(ctx context.Context, who Caller) (int, error)
	// Waiting counts the jobs that wait in the queue, and estimates the seconds until one submitted now is done.
	Waiting(ctx context.Context) (jobs int, eta time.Duration)

	// Open reads a finished image.
	Open(ctx context.Context, job string, index int) (io.ReadCloser, api.Image, error)
	// URL is the signed address of an image of a job, finished or not. It is the same each time.
	URL(r *http.Request, job api.Job, index int) string
	// Keep stores a picture of the caller's for some hours and returns its signed address.
	Keep(ctx context.Context, r *http.Request, who Caller, picture []byte) (string, error)
}

// A Caller is who sent a request.
type Caller struct {
	Name    string // of the key, for the ledger and logs; never the key
	Dialect string // that the key is bound to, "" for none
	Admin   bool
	// PromptSettings allows settings inside of prompts (DeepFellow's <sd>{json}</sd>).
	PromptSettings bool
}

// A Model is an entry of the catalog.
type Model struct {
	api.Model
	ID          string    // what clients of the dialect call it
	Aliases     []string  // other names it is known by
	Owner       string    // who made it, "easel" unless the catalog says
	Description string    // one line, may be empty
	Created     time.Time // when it came into the catalog
	Schedulers  []string
	MaxPixels   int
}

// A Request is a job as a dialect wants it.
type Request struct {
	Dialect string
	// Model is as the client named it. What Job leaves out takes the catalog's defaults.
	Model string
	Job   api.JobRequest
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
	// Notification is the body that tells of a settled job. Image addresses come from the function.
	Notification(job api.Job, hook Webhook, url func(index int) string) (any, error)
}

// An Event is something that happened to a job; exactly one pointer is set.
type Event struct {
	Progress *api.Progress
	Preview  *Preview
	Image    *api.Image
}

// A Preview is a small JPEG of an unfinished image.
type Preview struct {
	Image int
	Step  int
	JPEG  []byte
}
