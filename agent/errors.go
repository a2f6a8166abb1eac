package agent

import (
	"errors"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/pin"
)

// Errors that end Run because waiting cannot heal them. Everything else is tried again.
var (
	// ErrInUse: another agent holds the data directory.
	ErrInUse = errors.New("the data directory is in use by another agent")
	// ErrNoRuntime: not one of the runtimes could be started.
	ErrNoRuntime = errors.New("no usable runtime")
	// ErrCertificate: the coordinator's certificate is not the one the join token pinned.
	ErrCertificate = pin.ErrMismatch
)

// Refused ends Run when the coordinator does not want this node: a wrong or used join token, or a
// key that was revoked.
type Refused struct{ Reason api.Error }

func (r *Refused) Error() string { return "refused by the coordinator: " + r.Reason.Message }

// Unwrap gives the reason as an error with a code.
func (r *Refused) Unwrap() error { return &r.Reason }

// Why the context of an attempt ended.
var (
	errDropped  = errors.New("the coordinator no longer wants the attempt")
	errSettled  = errors.New("the coordinator has recorded its end")
	errLease    = errors.New("no heartbeat was answered for a lease: the attempt is made elsewhere by now")
	errStopping = errors.New("the agent stops")
)
