package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/internal/ident"
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

// Tokens makes join tokens and lets each be used once.
type Tokens struct {
	records *store.Bucket[joinToken]
	pin     string
}

// OpenTokens opens the tokens of a store. Pin is the fingerprint of the certificate that nodes are to pin,
// "" for none.
func OpenTokens(ctx context.Context, s *store.Store, pin string) (*Tokens, error) {
	records, err := store.Open[joinToken](ctx, s, "tokens", 0)
	return &Tokens{records, pin}, err
}

// Issue makes a new token.
func (t *Tokens) Issue(ctx context.Context, now time.Time) (api.JoinToken, error) {
	secret := ident.Secret()
	expires := now.Add(joinTokenValid).UTC()
	if _, err := t.records.Create(ctx, ident.Digest([]byte(secret)), joinToken{ExpiresAt: expires}); err != nil {
		return api.JoinToken{}, fmt.Errorf("record join token: %w", err)
	}
	token := joinTokenPrefix + "." + secret
	if t.pin != "" {
		token += "." + t.pin
	}
	return api.JoinToken{Token: token, ExpiresAt: expires}, nil
}

// Consume uses the token up for the node. Of two nodes with one token, exactly one succeeds.
func (t *Tokens) Consume(ctx context.Context, token, node string, now time.Time) error {
	if token == "" {
		return api.Errorf(api.CodeUnauthorized, "join_token: this node is not known yet and needs one")
	}
	parts := strings.Split(token, ".")
	if len(parts) < 2 || parts[0] != joinTokenPrefix || parts[1] == "" {
		return api.Errorf(api.CodeUnauthorized, "join_token: it is not a join token")
	}
	_, _, err := t.records.Update(ctx, ident.Digest([]byte(parts[1])), func(r *joinToken, _ uint64) error {
		switch {
		case r.UsedBy != "" && r.UsedBy != node:
			return errTokenUsed
		case r.UsedBy == "" && !now.Before(r.ExpiresAt):
			return api.Errorf(api.CodeUnauthorized, "join_token: it expired at %s", r.ExpiresAt.Format(time.RFC3339))
		}
		r.UsedBy, r.UsedAt = node, now
		return nil
	})
	if errors.Is(err, store.ErrMissing) {
		return api.Errorf(api.CodeUnauthorized, "join_token: this coordinator did not issue it")
	}
	return err
}

var errTokenUsed = &api.Error{Code: api.CodeUnauthorized, Message: "join_token: it was used already, each token lets one node join"}
