package api

import "time"

// An Explanation is why a job is where it is.
type Explanation struct {
	Job     string       `json:"job"`
	State   State        `json:"state"`
	Message string       `json:"message"`
	Nodes   []NodeReason `json:"nodes"` // of a queued job: why not there
	Losses  []Loss       `json:"losses,omitempty"`
}

// A NodeReason is why a node does not take a job now.
type NodeReason struct {
	NodeID string `json:"node_id"`
	Reason string `json:"reason"`
}

// A Loss is how one attempt ended without a result.
type Loss struct {
	Attempt int       `json:"attempt"`
	Node    string    `json:"node"`
	Error   Error     `json:"error"`
	At      time.Time `json:"at"`
}

// A ProgressEvent is the data of a job stream's "progress": how far which attempt is.
type ProgressEvent struct {
	Attempt int `json:"attempt"`
	Progress
}

// A PreviewEvent is the data of a job stream's "preview": a small picture of an unfinished image, in JSON
// as base64.
type PreviewEvent struct {
	Attempt int    `json:"attempt"`
	Image   int    `json:"image"` // index
	Step    int    `json:"step"`
	JPEG    []byte `json:"jpeg"`
}

// An Offer is one model that clients can ask for.
type Offer struct {
	Model
	Schedulers []string `json:"schedulers"`
	MaxPixels  int      `json:"max_pixels"`
	SizeStep   int      `json:"size_step"`
	Nodes      int      `json:"nodes"` // connected ones that serve it
	// What the catalog's file adds, where there is one.
	Serves      string   `json:"serves,omitempty"` // the nodes' name for it
	Aliases     []string `json:"aliases,omitempty"`
	Owner       string   `json:"owner,omitempty"`
	Description string   `json:"description,omitempty"`
}
