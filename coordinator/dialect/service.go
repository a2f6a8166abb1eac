package dialect

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
)

// The interfaces of this file are what the coordinator does for dialects. Each vendor's package takes
// those it needs. Their errors are *api.Error, which a dialect writes in its own form, or the error of
// the context that ended.

// Callers knows who sends requests.
type Callers interface {
	// Caller looks up an API key and counts a request of it. The error is one of unauthorized or
	// rate_limited.
	Caller(ctx context.Context, key string) (Caller, error)
}

// A Caller is who sent a request. Methods that take one check what it may do.
type Caller struct {
	Name    string // of the key, for the ledger and logs; never the key
	Dialect string // that the key is bound to, "" for none
	Admin   bool
	// PromptSettings allows settings inside of prompts (DeepFellow's <sd>{json}</sd>).
	PromptSettings bool
}

// Offers are the models that clients may ask for.
type Offers interface {
	// Models lists them for a dialect, by the names that its clients know them by.
	Models(ctx context.Context, dialect string) []Model
	// Model finds one by the dialect's name for it, by an alias or by its own name; "" is the default.
	Model(ctx context.Context, dialect, name string) (Model, error)
}

// A Model is one that clients may ask for.
type Model struct {
	api.Model
	ID          string    // what clients of the dialect call it
	Aliases     []string  // other names it is known by
	Owner       string    // who made it, "easel" unless the catalog states another
	Description string    // one line, may be empty
	Created     time.Time // when it came into the catalog
	Schedulers  []string
	MaxPixels   int
}

// A Maker makes the pictures of requests.
type Maker interface {
	// Submit makes a job durable. A repeated Request.IdempotencyKey of the same caller gives the same job.
	Submit(ctx context.Context, who Caller, r Request) (api.Job, error)
	// Wait follows a job until it is settled, and calls watch, which may be nil, for everything that
	// happens on the way. When ctx is canceled first, as when the client went away, the job is canceled
	// where the coordinator is configured so, and the error is ctx's. When ctx's deadline passes first,
	// or watch returns an error, the job goes on and that is the error: a dialect that answers "still
	// processing" waits with context.WithTimeout.
	Wait(ctx context.Context, job string, watch func(Event) error) (api.Job, error)
	// Cancel ends a job of the caller's; one that is settled stays as it is.
	Cancel(ctx context.Context, who Caller, job string) error
}

// Jobs finds the jobs of earlier requests.
type Jobs interface {
	// Find returns the caller's job with a Request.Alias or a job's own id.
	Find(ctx context.Context, who Caller, dialect, id string) (api.Job, error)
}

// A Queue is the line of jobs that wait for a node.
type Queue interface {
	// CancelQueued ends all of the caller's jobs that wait, and returns how many they were.
	CancelQueued(ctx context.Context, who Caller) (int, error)
	// Waiting counts the jobs that wait, and estimates the time until one submitted now is done.
	Waiting(ctx context.Context) (jobs int, eta time.Duration)
}

// Pictures are the images that jobs have made.
type Pictures interface {
	// Open reads a finished image.
	Open(ctx context.Context, job string, index int) (io.ReadCloser, api.Image, error)
}

// Links are the addresses of images.
type Links interface {
	// URL is the signed address of an image of a job, finished or not. It is the same each time.
	URL(r *http.Request, job api.Job, index int) string
}

// A Fetcher gets pictures that requests give by address.
type Fetcher interface {
	// Fetch gets a picture from a public address: never from a private one, at most api.MaxInputBytes.
	Fetch(ctx context.Context, address string) ([]byte, error)
}

// Uploads are pictures that clients send ahead of a request.
type Uploads interface {
	// Keep stores a picture of the caller's for some hours and returns its signed address.
	Keep(ctx context.Context, r *http.Request, who Caller, picture []byte) (string, error)
}

// A Service is all that the coordinator does for dialects: what tests stand in for, and what intake is held against.
type Service interface {
	Callers
	Offers
	Maker
	Jobs
	Queue
	Pictures
	Links
	Fetcher
	Uploads
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
