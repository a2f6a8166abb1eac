package api

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The node wire: JSON text frames on a websocket.
const (
	NodePath        = "/easel/v1/nodes/connect"
	NodeSubprotocol = "easel.node.1"
	// ProtocolVersion grows by one with every addition; docs/protocol.md has the history.
	ProtocolVersion = 3
	// MaxFrame is the most bytes one frame may hold, either way.
	MaxFrame = 64 << 10
	// MaxPreview is the most bytes of a preview picture, so that its frame fits with base64.
	MaxPreview = 32 << 10
)

// A NodeMessage is one frame from a node. Exactly one field is set; none is a message of a newer
// node, which is ignored.
type NodeMessage struct {
	Register  *Register   `json:"register,omitempty"`
	Describe  *Describe   `json:"describe,omitempty"`
	Heartbeat *Heartbeat  `json:"heartbeat,omitempty"`
	Accept    *Accept     `json:"accept,omitempty"`
	Reject    *Reject     `json:"reject,omitempty"`
	Progress  *Progressed `json:"progress,omitempty"`
	Preview   *Previewed  `json:"preview,omitempty"`
	Done      *Done       `json:"done,omitempty"`
	Failed    *Failed     `json:"failed,omitempty"`
	Leaving   *Leaving    `json:"leaving,omitempty"`
}

// A CoordinatorMessage is one frame to a node. Exactly one field is set; none is ignored.
type CoordinatorMessage struct {
	Challenge  *Challenge  `json:"challenge,omitempty"`
	Registered *Registered `json:"registered,omitempty"`
	Refused    *Error      `json:"refused,omitempty"` // the session ends
	Beat       *Beat       `json:"beat,omitempty"`
	Assign     *Assign     `json:"assign,omitempty"`
	Cancel     *Cancel     `json:"cancel,omitempty"`
	Settled    *Settled    `json:"settled,omitempty"`
	Drain      *Drain      `json:"drain,omitempty"`
}

// Challenge opens a session: the node signs the nonce to prove its key.
type Challenge struct {
	Nonce   []byte `json:"nonce"` // 32 random bytes
	Version string `json:"version"`
}

// Register is the node's first message.
type Register struct {
	Protocol  int       `json:"protocol"`
	Version   string    `json:"version"`              // of the agent
	PublicKey []byte    `json:"public_key"`           // Ed25519
	Signature []byte    `json:"signature"`            // of ChallengeBytes(nonce)
	JoinToken string    `json:"join_token,omitempty"` // needed the first time only
	Host      Host      `json:"host"`
	Devices   []Device  `json:"devices"`
	Runtimes  []Runtime `json:"runtimes"`
	Parts     int       `json:"parts,omitempty"` // Describe messages that follow with the runtimes, which have no room here
	Slots     int       `json:"slots"`
	Draining  bool      `json:"draining"`
	Held      []Attempt `json:"held"` // every attempt it runs or whose result it keeps
}

// ChallengeBytes is what a node signs to prove its key: a fixed prefix and the nonce.
func ChallengeBytes(nonce []byte) []byte { return append([]byte("easel node challenge 1\n"), nonce...) }

// Registered accepts the session. Held attempts in neither list stay as they are: their leases are adopted.
type Registered struct {
	NodeID           string    `json:"node_id"`
	HeartbeatSeconds float64   `json:"heartbeat_seconds"`
	LeaseSeconds     float64   `json:"lease_seconds"`
	Drop             []Attempt `json:"drop,omitempty"` // stop and delete: no longer wanted
}

// Heartbeat renews the leases of the attempts it names and reports the state of the devices.
type Heartbeat struct {
	Sequence uint64    `json:"sequence"` // echoed in the Beat
	Held     []Attempt `json:"held"`
	Devices  []Device  `json:"devices,omitempty"`
	Draining bool      `json:"draining"`
}

// Beat answers a Heartbeat. A node that gets none for a lease's length stops its attempts, because
// by then they are being made elsewhere.
type Beat struct {
	Sequence uint64    `json:"sequence"`
	Drop     []Attempt `json:"drop,omitempty"`
}

// Assign gives an attempt to a slot. The node answers Accept or Reject; silence for 5 s is a Reject.
type Assign struct {
	Attempt
	Runtime string    `json:"runtime"`
	Spec    ImageSpec `json:"spec"`
	// Upload is the path (or URL) each image is PUT to; "{index}" stands for the image's index.
	Upload string `json:"upload"`
	// Inputs is the path (or URL) that gives the pictures the spec names; "{sha256}" stands for the
	// picture's digest.
	Inputs string `json:"inputs,omitempty"`
	// Ticket is the bearer token for Upload and Inputs, valid for this attempt only.
	Ticket string `json:"ticket"`
}

// Accept means that the attempt has a slot.
type Accept struct{ Attempt }

// Reject means that the attempt has no place here now.
type Reject struct {
	Attempt
	Error Error `json:"error"`
}

// Progressed carries progress; a later one replaces an earlier one, so any may be dropped.
type Progressed struct {
	Attempt
	Progress Progress `json:"progress"`
}

// Previewed carries a small JPEG of the unfinished image; any may be dropped.
type Previewed struct {
	Attempt
	Image int    `json:"image"`
	Step  int    `json:"step"`
	JPEG  []byte `json:"jpeg"` // at most MaxPreview bytes
}

// Done reports that all images are uploaded. It is repeated on every reconnect until Settled comes.
type Done struct {
	Attempt
	Images  []Image `json:"images"`
	Receipt Receipt `json:"receipt"`
}

// Failed reports that the attempt ended without a result. It too is repeated until Settled comes.
type Failed struct {
	Attempt
	Error Error `json:"error"`
}

// Leaving reports that the node ends its session on purpose, and why: "stopping", "sleeping", "updating".
type Leaving struct {
	Reason string `json:"reason"`
}

// Cancel ends an attempt: stop it and forget it; the coordinator has settled the job already.
type Cancel struct{ Attempt }

// Settled reports that the coordinator has recorded the end of the attempt: the node deletes what it kept.
type Settled struct{ Attempt }

// Drain orders the node to finish what it holds and take nothing new, or to resume.
type Drain struct {
	On bool `json:"on"`
}

// DecodeFrame reads one JSON frame into a NodeMessage or CoordinatorMessage. Unknown fields are
// ignored; a frame beyond MaxFrame, malformed JSON or trailing data is an error.
func DecodeFrame(frame []byte, message any) error {
	if len(frame) > MaxFrame {
		return fmt.Errorf("frame of %d bytes, limit %d", len(frame), MaxFrame)
	}
	decoder := json.NewDecoder(bytes.NewReader(frame))
	if err := decoder.Decode(message); err != nil {
		return fmt.Errorf("decode frame: %w", err)
	}
	if decoder.More() {
		return fmt.Errorf("decode frame: data after the message")
	}
	return nil
}
