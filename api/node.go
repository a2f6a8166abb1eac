package api

import "time"

// A Device is one GPU of a node, or its CPU where no GPU serves.
type Device struct {
	UUID        string  `json:"uuid"` // identity; an index may change over a reboot
	Name        string  `json:"name"`
	Kind        string  `json:"kind"`          // "cuda", "metal", "rocm", "cpu"
	Driver      string  `json:"driver"`        // version, "" when unknown
	VRAM        uint64  `json:"vram"`          // bytes; a CPU's is the machine's memory
	VRAMUsed    uint64  `json:"vram_used"`     // bytes
	Utilization float64 `json:"utilization"`   // 0..1
	Temperature float64 `json:"temperature"`   // degrees Celsius, 0 when unknown
	Power       float64 `json:"power"`         // watts, 0 when unknown
	Compute     string  `json:"compute"`       // CUDA compute capability such as "9.0", "" when none
	PCI         string  `json:"pci,omitempty"` // bus address
}

// A Host is what a node's machine is.
type Host struct {
	Name     string `json:"name"`
	OS       string `json:"os"`       // runtime.GOOS
	Arch     string `json:"arch"`     // runtime.GOARCH
	Platform string `json:"platform"` // such as "debian 12"
	Kernel   string `json:"kernel"`
	CPU      string `json:"cpu"` // model name
	Cores    int    `json:"cores"`
	Memory   uint64 `json:"memory"` // bytes
}

// A Model is a checkpoint a runtime can serve.
type Model struct {
	Name          string    `json:"name"`
	Architecture  string    `json:"architecture"` // "sd1", ...
	Digest        string    `json:"digest"`       // sha256 hex over its files
	Width         int       `json:"width"`        // native size, pixels: the default
	Height        int       `json:"height"`
	Steps         int       `json:"steps"` // default
	GuidanceScale float64   `json:"guidance_scale"`
	Scheduler     string    `json:"scheduler"`
	LoRAs         []Adapter `json:"loras"`
	VAEs          []Adapter `json:"vaes,omitempty"` // that can stand in for its own
	// Schedulers are those that the model works with, where that is not every one of the runtime's.
	Schedulers []string `json:"schedulers,omitempty"`
	// SchedulerDefaults replace the defaults above for a scheduler that needs others.
	SchedulerDefaults map[string]SchedulerDefaults `json:"scheduler_defaults,omitempty"`
	TextLayers        int                          `json:"text_layers,omitempty"`       // clip_skip is at most this
	ClosedVocabulary  bool                         `json:"closed_vocabulary,omitempty"` // it can draw nothing that needs a safety check
	SafetyChecker     bool                         `json:"safety_checker,omitempty"`    // one comes with it
	PlainBackground   bool                         `json:"plain_background,omitempty"`  // of one colour, so that it can be made transparent
}

// SchedulerDefaults are what a request that names the scheduler gets where it leaves them out.
type SchedulerDefaults struct {
	Steps         int     `json:"steps,omitempty"`
	GuidanceScale float64 `json:"guidance_scale,omitempty"`
	LoRA          string  `json:"lora,omitempty"` // with weight 1
}

// An Adapter is a LoRA or VAE file that fits a model.
type Adapter struct {
	Name   string `json:"name"`
	Digest string `json:"digest"` // sha256 hex of the file
}

// A Runtime is what an engine on a node is and can do, as it reports itself.
type Runtime struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Models     []Model  `json:"models"`
	Schedulers []string `json:"schedulers"`
	Features   []string `json:"features"`   // of Feature...
	MaxPixels  int      `json:"max_pixels"` // width*height of one image
	SizeStep   int      `json:"size_step"`  // width and height are multiples of it
}

// What a runtime may be able to do.
const (
	FeatureTxt2Img      = "txt2img"
	FeatureImg2Img      = "img2img"
	FeatureInpaint      = "inpaint"
	FeatureInversion    = "inversion"
	FeatureLoRA         = "lora"
	FeaturePreview      = "preview"
	FeatureClipSkip     = "clip_skip"
	FeatureTokenMerging = "token_merging"
	FeatureVAE          = "vae"
)

// A Node is what admins see of one machine.
type Node struct {
	ID               string    `json:"id"`
	Connected        bool      `json:"connected"`
	Draining         bool      `json:"draining"`
	Version          string    `json:"version"` // of the agent
	Host             Host      `json:"host"`
	Devices          []Device  `json:"devices"`
	Runtimes         []Runtime `json:"runtimes"`
	Slots            int       `json:"slots"`
	Busy             []Attempt `json:"busy"`
	JoinedAt         time.Time `json:"joined_at"`
	LastSeen         time.Time `json:"last_seen"`
	DisconnectReason string    `json:"disconnect_reason,omitempty"` // of the last session
}

// A JoinToken lets one node join, once. It is shown when it is made and never again.
type JoinToken struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}
