package coordinator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// joinTokenPrefix begins every join token: "easel-join-1.SECRET" and, with TLS, ".FINGERPRINT" of the
// certificate, which lets a node know the coordinator it joins.
const joinTokenPrefix = "easel-join-1"

// joinTokenValid is how long a token can be used.
const joinTokenValid = 24 * time.Hour

// A joinToken is what is kept of one, under the hash of its secret.
type joinToken struct {
	ExpiresAt time.Time `json:"expires_at"`
	UsedBy    string    `json:"used_by,omitempty"` // node
	UsedAt    time.Time `json:"used_at,omitzero"`
}

// tokens makes join tokens and lets each be used once.
type tokens struct {
	bucket      *bucket[joinToken]
	fingerprint string // of the certificate that nodes are to pin, "" for none
}

// issue makes a new token.
func (t *tokens) issue(ctx context.Context, now time.Time) (token string, expires time.Time, err error) {
	secret := randomText()
	expires = now.Add(joinTokenValid).UTC()
	if _, err := t.bucket.create(ctx, hashHex([]byte(secret)), joinToken{ExpiresAt: expires}); err != nil {
		return "", time.Time{}, fmt.Errorf("record join token: %w", err)
	}
	token = joinTokenPrefix + "." + secret
	if t.fingerprint != "" {
		token += "." + t.fingerprint
	}
	return token, expires, nil
}

// consume uses the token up for the node. Of two nodes with one token, exactly one succeeds.
func (t *tokens) consume(ctx context.Context, token, node string, now time.Time) error {
	if token == "" {
		return api.Errorf(api.CodeUnauthorized, "join_token: this node is not known yet and needs one")
	}
	parts := strings.Split(token, ".")
	if len(parts) < 2 || parts[0] != joinTokenPrefix || parts[1] == "" {
		return api.Errorf(api.CodeUnauthorized, "join_token: it is not a join token")
	}
	name := hashHex([]byte(parts[1]))
	record, revision, err := t.bucket.load(ctx, name)
	switch {
	case errors.Is(err, errMissing):
		return api.Errorf(api.CodeUnauthorized, "join_token: this coordinator did not issue it")
	case err != nil:
		return err
	case record.UsedBy == node:
		return nil
	case record.UsedBy != "":
		return errTokenUsed
	case !now.Before(record.ExpiresAt):
		return api.Errorf(api.CodeUnauthorized, "join_token: it expired at %s", record.ExpiresAt.Format(time.RFC3339))
	}
	record.UsedBy, record.UsedAt = node, now
	_, err = t.bucket.update(ctx, name, record, revision)
	if errors.Is(err, errChanged) {
		return errTokenUsed
	}
	return err
}

var errTokenUsed = &api.Error{Code: api.CodeUnauthorized, Message: "join_token: it was used already, each token lets one node join"}
