package coordinator

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// A role is what an API key may do.
type role string

// The roles. An admin may do what a client may, and look after nodes and tokens.
const (
	roleClient role = "client"
	roleAdmin  role = "admin"
)

const adminKeyPrefix = "easel_admin_"

// An apiKey is what is kept of one, under its hash.
type apiKey struct {
	Role      role      `json:"role"`
	CreatedAt time.Time `json:"created_at"`
}

// keys tells who a request is from.
type keys struct{ bucket *bucket[apiKey] }

// A caller is who sent a request: the hash of the key names it.
type caller struct {
	name string
	role role
}

var (
	errNoKey    = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the request has no API key, want \"Bearer KEY\""}
	errWrongKey = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the API key is not valid here"}
	errNotAdmin = &api.Error{Code: api.CodeForbidden, Message: "this needs an admin key"}
)

// caller finds the key of a request. Looking it up by its hash gives an attacker no timing to learn from.
func (k *keys) caller(ctx context.Context, r *http.Request) (caller, error) {
	key := bearer(r)
	if key == "" {
		return caller{}, errNoKey
	}
	name := hashHex([]byte(key))
	found, _, err := k.bucket.load(ctx, name)
	if errors.Is(err, errMissing) {
		return caller{}, errWrongKey
	}
	return caller{name, found.Role}, err
}

// bearer returns the token of the Authorization header, "" when there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
