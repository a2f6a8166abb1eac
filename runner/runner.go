// Package runner starts, talks to and stops a diffusion runtime, which runs as a subprocess so that
// a crash, a hang or a memory leak of an engine never touches the agent.
//
// [Process] is the agent's end of the wire and [Serve] the child's; what runs behind Serve is a
// [Runtime]. The wire is JSON lines on the child's stdin and stdout, described in docs/protocol.md.
package runner

import (
	"context"
	"image"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture"
)

// A Runtime makes images. It lives in the child process and is called by [Serve] alone, one call at
// a time. [runnertest.Run] is its contract as a test suite.
type Runtime interface {
	// Describe returns what the runtime is and can do. It must be quick: it loads nothing.
	Describe() (api.Runtime, error)

	// Load brings a model into memory; a model that is loaded already costs nothing. It returns an
	// *api.Error whose code distinguishes a broken file from a lack of memory.
	Load(ctx context.Context, model string) error

	// Generate makes images 0..N-1 of the spec in order, with seed Seed+i, and hands each to sink as
	// soon as it is finished. It returns soon after ctx ends, within one step. It returns an
	// *api.Error where the cause is known; the runtime stays usable after an error. What is
	// done with the finished pixels is not the runtime's concern: see [Process.Generate].
	Generate(ctx context.Context, spec api.ImageSpec, inputs picture.Inputs, sink Sink) (Made, error)
}

// A Sink takes what a Runtime produces while it works. Its functions are called from one goroutine.
type Sink struct {
	// Progress reports a phase or a finished step.
	Progress func(api.Progress)
	// PreviewEvery is how many steps lie between wanted previews; 0 means none are.
	PreviewEvery int
	// Preview shows the unfinished image; the sink makes it small.
	Preview func(index, step int, picture image.Image)
	// Image delivers a finished image. An error ends the job.
	Image func(Finished) error
}

// Finished is an image as the engine made it.
type Finished struct {
	Index   int
	Seed    int64
	Picture image.Image
	Flagged bool // by the safety checker
}

// Made describes how the images were really made.
type Made struct {
	Scheduler   string            `json:"scheduler"` // the effective one
	Steps       int               `json:"steps"`
	ModelDigest string            `json:"model_digest"`           // sha256 hex
	LoRADigests map[string]string `json:"lora_digests,omitempty"` // by name, sha256 hex
	VAEDigest   string            `json:"vae_digest,omitempty"`   // sha256 hex, where the spec names a VAE
	Safety      api.Safety        `json:"safety"`                 // the result of the spec's safety check
	Device      string            `json:"device"`                 // what computed, such as "cpu"
	Timings     api.Timings       `json:"timings"`
}
