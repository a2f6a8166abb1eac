package job

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/easelgrid/easel/api"
)

// HashTicket is what a record keeps of the ticket that an attempt's node fetches and uploads with.
func HashTicket(ticket string) []byte {
	sum := sha256.Sum256([]byte(ticket))
	return sum[:]
}

// The answers to a node that may not fetch or upload.
var (
	ErrAttemptEnded = &api.Error{Code: api.CodeConflict, Message: "the attempt has ended: its images are no longer wanted"}
	errNoTicket     = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the request has no ticket, want \"Bearer TICKET\""}
	errTicket       = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the ticket is not this attempt's"}
)

// MayUpload checks that the job is in that attempt and that the ticket is the attempt's.
func (r *Record) MayUpload(at api.Attempt, ticket string) error {
	switch {
	case ticket == "":
		return errNoTicket
	case r.Job.Attempt != at.Number || !r.Live(at, r.Job.NodeID):
		return ErrAttemptEnded
	case subtle.ConstantTimeCompare(HashTicket(ticket), r.Ticket) != 1:
		return errTicket
	}
	return nil
}
