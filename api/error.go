package api

import (
	"errors"
	"fmt"
	"strings"
)

// A Code is what went wrong in a form programs can act on. Retry is decided by the code and never
// by the text. Codes cross every wire: add new ones, never rename or reuse one.
type Code string

// The codes. The comment after each names who is at fault and what follows.
const (
	CodeInvalidRequest   Code = "invalid_request"   // requester: the faults name field, value and limit
	CodeUnauthorized     Code = "unauthorized"      // requester: no key, or a wrong one
	CodeForbidden        Code = "forbidden"         // requester: the key may not do this
	CodeNotFound         Code = "not_found"         // requester: no such job, image, node or path
	CodeConflict         Code = "conflict"          // requester: the state does not allow it
	CodeTooLarge         Code = "too_large"         // requester: the body exceeds its limit
	CodeModelNotFound    Code = "model_not_found"   // requester: no node has this model
	CodeLoRANotFound     Code = "lora_not_found"    // requester: no node has this LoRA
	CodeLoRAIncompatible Code = "lora_incompatible" // requester: the LoRA does not fit the model
	CodeUnsupported      Code = "unsupported"       // requester: this runtime cannot do it
	CodeRateLimited      Code = "rate_limited"      // requester: too many requests; another in RetryAfter seconds helps
	CodeQuotaExceeded    Code = "quota_exceeded"    // requester: what its key may use is exceeded
	CodeCanceled         Code = "canceled"          // requester asked for it
	CodeOutOfMemory      Code = "out_of_memory"     // node: model and size do not fit this device
	CodeRuntimeCrashed   Code = "runtime_crashed"   // node: the runtime process ended by itself
	CodeRuntimeHung      Code = "runtime_hung"      // node: the runtime process reported nothing for too long
	CodeRuntimeFailed    Code = "runtime_failed"    // node: the runtime reported a failure of its own
	CodeModelBroken      Code = "model_broken"      // node: a model or LoRA file is damaged
	CodeUploadFailed     Code = "upload_failed"     // node: a finished image could not be delivered
	CodeNodeLost         Code = "node_lost"         // node: silent past its lease
	CodeNodeStopped      Code = "node_stopped"      // node: its owner stopped it; costs it nothing
	CodeRejected         Code = "rejected"          // node: it did not take the assignment
	CodeQuarantined      Code = "quarantined"       // job: it brought down the runtimes of two nodes
	CodeUnavailable      Code = "unavailable"       // coordinator: starting, stopping or out of storage
	CodeInternal         Code = "internal"          // coordinator: a defect of ours
)

// Retryable reports whether another attempt, on this node or another, can help.
func (c Code) Retryable() bool {
	switch c {
	case CodeOutOfMemory, CodeRuntimeCrashed, CodeRuntimeHung, CodeRuntimeFailed, CodeModelBroken,
		CodeUploadFailed, CodeNodeLost, CodeNodeStopped, CodeRejected, CodeUnavailable:
		return true
	}
	return false
}

// An Error crosses wires: from the runtime to its agent, on to the coordinator and to the client.
type Error struct {
	Code    Code    `json:"code"`
	Message string  `json:"message"`
	Faults  []Fault `json:"faults,omitempty"`
	// RetryAfter is in how many seconds the same request may be answered, of rate_limited and quota_exceeded.
	RetryAfter int `json:"retry_after,omitempty"`
}

// A Fault is one thing wrong with one field of a request. It is an error of its own where a function
// does not know the field that a value came from, as [ReadInput].
type Fault struct {
	Field string `json:"field"`           // the name in the request, such as "steps" or "loras[0].weight"; "" where it is not known
	Value string `json:"value,omitempty"` // what was given, shortened
	Limit string `json:"limit"`           // what would be accepted, such as "1 to 500"
}

func (f Fault) String() string {
	text := "want " + f.Limit
	if f.Value != "" {
		text = "got " + f.Value + ", " + text
	}
	if f.Field != "" {
		text = f.Field + ": " + text
	}
	return text
}

func (f Fault) Error() string { return f.String() }

// FaultOf is the fault that an error is of a field. An error that is no Fault has none of its parts: it is
// given as the value.
func FaultOf(field string, err error, want string) Fault {
	f, ok := errors.AsType[Fault](err)
	if !ok {
		f = Fault{Value: err.Error(), Limit: want}
	}
	f.Field = field
	return f
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes one Error of all faults of a request; nil when there are none.
func Invalid(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.String()
	}
	return &Error{Code: CodeInvalidRequest, Message: strings.Join(texts, "; "), Faults: faults}
}

// AsError finds the Error in err's chain. An error without one becomes code otherwise, with err's text.
func AsError(err error, otherwise Code) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: otherwise, Message: err.Error()}
}
