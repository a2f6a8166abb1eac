package api

import (
	"cmp"
	"time"
)

// A State is where a job stands.
//
//	queued -> assigned -> running -> succeeded | failed | canceled
//	   ^_________|___________|   (the attempt is lost: attempt+1)
type State string

// The states of a job. The last three are terminal: a job enters one of them once and stays.
const (
	StateQueued    State = "queued"
	StateAssigned  State = "assigned"
	StateRunning   State = "running"
	StateSucceeded State = "succeeded"
	StateFailed    State = "failed"
	StateCanceled  State = "canceled"
)

// Terminal reports whether a job in this state is settled.
func (s State) Terminal() bool {
	return s == StateSucceeded || s == StateFailed || s == StateCanceled
}

// An Attempt names one try of a job and fences everything: a message of an older attempt changes nothing.
type Attempt struct {
	Job    string `json:"job"`
	Number int    `json:"attempt"` // from 1
}

// An ImageSpec is what a job is to make, with every default filled in. It is what a runtime is given.
type ImageSpec struct {
	Model          string `json:"model"`
	Prompt         string `json:"prompt"`
	NegativePrompt string `json:"negative_prompt"`
	Width          int    `json:"width"`  // pixels
	Height         int    `json:"height"` // pixels
	// OutputWidth and OutputHeight are what finished pictures are brought to; 0 leaves them as they are made.
	OutputWidth   int     `json:"output_width,omitempty"`
	OutputHeight  int     `json:"output_height,omitempty"`
	Steps         int     `json:"steps"`
	GuidanceScale float64 `json:"guidance_scale"` // at most 1 means no guidance
	Scheduler     string  `json:"scheduler"`      // diffusers class name
	Seed          int64   `json:"seed"`           // of image 0; image i uses seed+i
	N             int     `json:"n"`              // number of images
	LoRAs         []LoRA  `json:"loras"`

	SchedulerOptions SchedulerOptions `json:"scheduler_options,omitzero"`

	VAE      string `json:"vae,omitempty"`       // a VAE in place of the model's own
	ClipSkip int    `json:"clip_skip,omitempty"` // layers of the text encoder left out, from the end

	Mode      Mode    `json:"mode,omitempty"`
	InitImage *Input  `json:"init_image,omitempty"` // what img2img, inpainting and inversion start from
	MaskImage *Input  `json:"mask_image,omitempty"` // white is painted anew
	Strength  float64 `json:"strength,omitempty"`   // 0..1 with an init image: how much of it is given up

	TokenMerging float64 `json:"token_merging,omitempty"` // share of tokens merged, 0..0.75

	Format     Format     `json:"format,omitempty"`     // none is png
	Quality    int        `json:"quality,omitempty"`    // 1..100, of jpeg and webp; webp at 100 is lossless
	Background Background `json:"background,omitempty"` // none is opaque

	SafetyCheck  bool         `json:"safety_check,omitempty"`
	SafetyAction SafetyAction `json:"safety_action,omitempty"` // only with SafetyCheck
}

// FinishedSize is the size of the pictures that the job delivers.
func (s ImageSpec) FinishedSize() (width, height int) {
	return cmp.Or(s.OutputWidth, s.Width), cmp.Or(s.OutputHeight, s.Height)
}

// MegapixelSteps is the work of a job: steps * width * height / 2^20, summed over images, in the size
// they are made.
func (s ImageSpec) MegapixelSteps() float64 {
	return float64(s.EffectiveSteps()) * float64(s.Width) * float64(s.Height) / (1 << 20) * float64(s.N)
}

// A Mode is a way to use the init image that its presence alone does not tell.
type Mode string

// ModeInversion walks the init image back to the noise it comes from (DDIMInverseScheduler) and makes
// the prompt's picture from that noise.
const ModeInversion Mode = "inversion"

// A Format is how a finished image is encoded.
type Format string

// The formats.
const (
	FormatPNG  Format = "png"
	FormatJPEG Format = "jpeg"
	FormatWebP Format = "webp"
)

// MediaType is the format's name in HTTP.
func (f Format) MediaType() string { return "image/" + string(f) }

// A Background is what surrounds the subject.
type Background string

// The backgrounds.
const (
	BackgroundOpaque      Background = "opaque"
	BackgroundTransparent Background = "transparent"
)

// A SafetyAction is what becomes of an image that the safety checker flags.
type SafetyAction string

// The safety actions.
const (
	SafetyBlack    SafetyAction = "black"
	SafetyBlur     SafetyAction = "blur"
	SafetyPixelate SafetyAction = "pixelate"
	SafetyText     SafetyAction = "text" // a grey picture with a note
)

// An Input is a picture that a client sent with its request, known by its digest.
type Input struct {
	SHA256 string `json:"sha256"` // lower-case hex of the file
	Bytes  int64  `json:"bytes"`
	Type   string `json:"type"` // media type, such as "image/png"
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// Inputs are the pictures the spec needs, by the field that names them.
func (s ImageSpec) Inputs() map[string]Input {
	inputs := map[string]Input{}
	for field, in := range map[string]*Input{"init_image": s.InitImage, "mask_image": s.MaskImage} {
		if in != nil {
			inputs[field] = *in
		}
	}
	return inputs
}

// A LoRA names a low-rank adapter and how strongly to apply it.
type LoRA struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight"` // 0 is the same as not naming it, negative the opposite
}

// A Job is what clients see of one request.
type Job struct {
	ID        string    `json:"id"`
	State     State     `json:"state"`
	Attempt   int       `json:"attempt"` // 0 until first assigned
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	NodeID    string    `json:"node_id,omitempty"` // of the current or last attempt
	Spec      ImageSpec `json:"spec"`
	Progress  *Progress `json:"progress,omitempty"` // only while running
	Images    []Image   `json:"images"`             // those delivered so far, in order
	Error     *Error    `json:"error,omitempty"`
	Receipt   *Receipt  `json:"receipt,omitempty"`
	Webhook   *Delivery `json:"webhook,omitempty"` // where the request named one
	// AskedModel is what a client of a dialect called the model; the spec has the nodes' name for it.
	AskedModel string `json:"asked_model,omitempty"`
}

// A Webhook is the address that the end of a job is reported to.
type Webhook struct {
	URL     string
	TrackID string // the client's own name for the request, which comes back with the report
	ID      string // what clients of the dialect call the job: an alias, or else the job's own id
}

// A Delivery is what became of a job's webhook.
type Delivery struct {
	State DeliveryState `json:"state"`
	Tries int           `json:"tries,omitempty"` // made until it ended
	Error string        `json:"error,omitempty"` // of the last try
}

// A DeliveryState is where a webhook stands: pending until it ends as one of the others.
type DeliveryState string

// The states of a webhook.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryGivenUp   DeliveryState = "given_up"
)

// An Image is one finished picture of a job.
type Image struct {
	Index  int    `json:"index"`
	URL    string `json:"url,omitempty"` // signed; empty on the wire between node and coordinator
	Seed   int64  `json:"seed"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	SHA256 string `json:"sha256"` // lower-case hex of the file
	Bytes  int64  `json:"bytes"`
	Type   string `json:"type"` // media type, such as "image/png"
	// Flagged means that the safety checker objected and the safety action was taken.
	Flagged bool `json:"flagged,omitempty"`
}

// A Phase is what a running attempt is busy with.
type Phase string

// The phases, in the order they happen.
const (
	PhasePreparing Phase = "preparing" // making model and LoRA files present
	PhaseLoading   Phase = "loading"   // reading the model into memory
	PhaseEncoding  Phase = "encoding"  // text to embeddings
	PhaseSampling  Phase = "sampling"  // the denoising steps
	PhaseDecoding  Phase = "decoding"  // latents to pixels
	PhaseUploading Phase = "uploading" // delivering images
)

// Progress is how far a running attempt is. Step counts within the current image.
type Progress struct {
	Phase Phase `json:"phase"`
	Image int   `json:"image"` // index of the image in the making
	Step  int   `json:"step"`  // finished steps, 0..Steps
	Steps int   `json:"steps"`
}

// Timings are where the time of an attempt went, in seconds.
type Timings struct {
	Load   float64 `json:"load"`
	Encode float64 `json:"encode"`
	Sample float64 `json:"sample"`
	Decode float64 `json:"decode"`
	Total  float64 `json:"total"`
}

// Safety is what became of the request's safety check.
type Safety string

// What becomes of a safety check.
const (
	SafetyOff     Safety = "off"
	SafetyChecked Safety = "checked"
	// SafetyClosedVocabulary is for a model that can draw nothing but what it was made for: nothing
	// was checked, because there is nothing to check.
	SafetyClosedVocabulary Safety = "closed_vocabulary"
)

// A Receipt states how an attempt's images were really made, signed by the node's key.
type Receipt struct {
	Attempt
	NodeID         string            `json:"node_id"`
	Device         string            `json:"device"`          // UUID
	Runtime        string            `json:"runtime"`         // name
	RuntimeVersion string            `json:"runtime_version"` // build
	Model          string            `json:"model"`
	ModelDigest    string            `json:"model_digest"` // sha256 hex
	LoRADigests    map[string]string `json:"lora_digests,omitempty"`
	VAEDigest      string            `json:"vae_digest,omitempty"` // sha256 hex, of a VAE the request named
	Scheduler      string            `json:"scheduler"`            // the effective one
	Steps          int               `json:"steps"`                // really made: strength leaves some out
	Safety         Safety            `json:"safety,omitempty"`     // none from a node of protocol 1
	Flagged        []int             `json:"flagged,omitempty"`    // indexes of the images that the safety checker objected to
	GuidanceScale  float64           `json:"guidance_scale"`
	Width          int               `json:"width"`
	Height         int               `json:"height"`
	OutputWidth    int               `json:"output_width,omitempty"` // what the pictures were brought to
	OutputHeight   int               `json:"output_height,omitempty"`
	Seeds          []int64           `json:"seeds"`         // one an image
	ImageDigests   []string          `json:"image_digests"` // sha256 hex, one an image
	Timings        Timings           `json:"timings"`
	FinishedAt     time.Time         `json:"finished_at"`
	Signature      []byte            `json:"signature"` // see Sign
}
