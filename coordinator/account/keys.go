// Package account owns who may use the coordinator and how much: API keys, what each has used, and quotas.
package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/internal/ident"
)

// A Role is what an API key may do.
type Role string

// The roles. An admin may do what a client may, and look after nodes, keys and tokens.
const (
	RoleClient Role = "client"
	RoleAdmin  Role = "admin"
)

// How keys begin, so that whoever finds one knows what it is.
const (
	AdminKeyPrefix  = "easel_admin_"
	clientKeyPrefix = "easel_client_"
)

// NewSecret makes the text of a key.
func NewSecret(r Role) string {
	if r == RoleAdmin {
		return AdminKeyPrefix + ident.Secret()
	}
	return clientKeyPrefix + ident.Secret()
}

// FirstAdmin names the key of the first start.
const FirstAdmin = "admin"

// A Key is what is kept of one, under its hash.
type Key struct {
	Role           Role          `json:"role"`
	CreatedAt      time.Time     `json:"created_at"`
	Name           string        `json:"name,omitempty"`
	Dialect        string        `json:"dialect,omitempty"`
	PromptSettings bool          `json:"prompt_settings,omitempty"`
	Limits         api.KeyLimits `json:"limits,omitzero"`
	ExpiresAt      time.Time     `json:"expires_at,omitzero"`
}

// Keys are all API keys. The bucket is the truth; all of it is in memory too.
type Keys struct {
	records *store.Bucket[Key]

	mu     sync.Mutex
	byHash map[string]*heldKey
}

// A heldKey is a key in memory, with how many requests it may send now.
type heldKey struct {
	Key
	hash     string
	revision uint64

	mu       sync.Mutex // held while a request is reserved and, where it has to wait, given back
	requests *rate.Limiter
}

// A Caller is who sent a request.
type Caller struct {
	Key
	ID string
}

// Admin reports whether the caller may do what admins may.
func (c Caller) Admin() bool { return c.Role == RoleAdmin }

// Why a request is refused for its key.
var (
	errNoKey      = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the request has no API key, want \"Bearer KEY\""}
	errWrongKey   = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the API key is not valid here"}
	errExpiredKey = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the API key has expired"}
	ErrNotAdmin   = &api.Error{Code: api.CodeForbidden, Message: "this needs an admin key"}
)

// OpenKeys brings back the keys of a store.
func OpenKeys(ctx context.Context, s *store.Store) (*Keys, error) {
	records, err := store.Open[Key](ctx, s, "keys", 0)
	if err != nil {
		return nil, err
	}
	entries, err := records.All(ctx)
	if err != nil {
		return nil, err
	}
	k := &Keys{records: records, byHash: map[string]*heldKey{}}
	for _, e := range entries {
		k.hold(e.Key, e.Value, e.Revision)
	}
	return k, nil
}

func (k *Keys) hold(hash string, key Key, revision uint64) {
	key.Name = cmp.Or(key.Name, nameless(hash, key.Role))
	limit, burst := rate.Inf, 0
	if n := key.Limits.RequestsPerMinute; n > 0 {
		limit, burst = rate.Limit(float64(n)/60), n
	}
	k.byHash[hash] = &heldKey{Key: key, hash: hash, revision: revision, requests: rate.NewLimiter(limit, burst)}
}

// nameless names a key that was made before keys had names.
func nameless(hash string, r Role) string {
	if r == RoleAdmin {
		return FirstAdmin
	}
	return keyID(hash)
}

func keyID(hash string) string { return hash[:min(len(hash), 16)] }

// Caller finds whose key it is and counts the request. Keys are looked up by their hash, which gives
// an attacker no timing to learn from.
func (k *Keys) Caller(key string, now time.Time) (Caller, error) {
	found, err := k.Find(key)
	if err != nil {
		return Caller{}, err
	}
	return found.Admit(now)
}

// A Found is a key that a request came with, not yet checked: see [Found.Admit].
type Found struct{ held *heldKey }

// Find looks a key up.
func (k *Keys) Find(key string) (Found, error) {
	if key == "" {
		return Found{}, errNoKey
	}
	hash := ident.Digest([]byte(key))
	k.mu.Lock()
	defer k.mu.Unlock()
	if held := k.byHash[hash]; held != nil {
		return Found{held}, nil
	}
	return Found{}, errWrongKey
}

// Dialect is the one that the key is bound to, "" for none.
func (f Found) Dialect() string { return f.held.Dialect }

// Admit counts the request and returns who sent it, or why that key may not send one now.
func (f Found) Admit(now time.Time) (Caller, error) {
	if f.held.Expired(now) {
		return Caller{}, errExpiredKey
	}
	if wait := f.held.admit(now); wait > 0 {
		return Caller{}, &api.Error{
			Code: api.CodeRateLimited, RetryAfter: Seconds(wait),
			Message: fmt.Sprintf("too many requests: this key may send %d a minute", f.held.Limits.RequestsPerMinute),
		}
	}
	return Caller{f.held.Key, keyID(f.held.hash)}, nil
}

// admit takes one request off what is allowed, or returns how long there is none.
func (h *heldKey) admit(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.requests.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// Expired reports whether the key has expired by then.
func (key Key) Expired(now time.Time) bool {
	return !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt)
}

// Limits are those of the key with that name.
func (k *Keys) Limits(name string) api.KeyLimits {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, held := range k.byHash {
		if held.Name == name {
			return held.Limits
		}
	}
	return api.KeyLimits{}
}

// ErrNameTaken means that two keys would be one in the ledger.
var ErrNameTaken = errors.New("a key has this name")

// Add makes a key valid, durably, and returns it as admins see it.
func (k *Keys) Add(ctx context.Context, secret string, key Key) (api.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, held := range k.byHash {
		if held.Name == key.Name {
			return api.Key{}, ErrNameTaken
		}
	}
	hash := ident.Digest([]byte(secret))
	revision, err := k.records.Create(ctx, hash, key)
	if err != nil {
		return api.Key{}, err
	}
	k.hold(hash, key, revision)
	return key.view(hash), nil
}

// Remove makes a key, by its id or name, invalid at once. The last admin's key stays: without it
// nobody could make another.
func (k *Keys) Remove(ctx context.Context, which string) (api.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	admins := 0
	var hash string
	for h, held := range k.byHash {
		if held.Role == RoleAdmin && held.ExpiresAt.IsZero() {
			admins++
		}
		if keyID(h) == which || hash == "" && held.Name == which {
			hash = h
		}
	}
	held := k.byHash[hash]
	if held == nil {
		return api.Key{}, api.Errorf(api.CodeNotFound, "there is no key %s", api.Quote(which))
	}
	if held.Role == RoleAdmin && held.ExpiresAt.IsZero() && admins == 1 {
		return api.Key{}, api.Errorf(api.CodeConflict, "key %s is the last admin's, want another admin key first", held.Name)
	}
	if err := k.records.Delete(ctx, hash, held.revision); err != nil {
		return api.Key{}, err
	}
	delete(k.byHash, hash)
	return held.view(hash), nil
}

// List returns every key, by name.
func (k *Keys) List() []api.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := []api.Key{}
	for hash, held := range k.byHash {
		list = append(list, held.view(hash))
	}
	slices.SortFunc(list, func(a, b api.Key) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (key Key) view(hash string) api.Key {
	return api.Key{
		ID: keyID(hash), Name: key.Name, Role: string(key.Role), Dialect: key.Dialect, PromptSettings: key.PromptSettings,
		Limits: key.Limits, CreatedAt: key.CreatedAt, ExpiresAt: key.ExpiresAt,
	}
}
