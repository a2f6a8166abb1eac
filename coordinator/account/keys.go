package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/easelgrid/easel/api"
)

// A role is what an API key may do.
type role string

// The roles. An admin may do what a client may, and look after nodes, keys and tokens.
const (
	roleClient role = "client"
	roleAdmin  role = "admin"
)

// How keys begin, so that whoever finds one knows what it is.
const (
	adminKeyPrefix  = "easel_admin_"
	clientKeyPrefix = "easel_client_"
)

// firstAdmin names the key of the first start.
const firstAdmin = "admin"

// An apiKey is what is kept of one, under its hash.
type apiKey struct {
	Role           role          `json:"role"`
	CreatedAt      time.Time     `json:"created_at"`
	Name           string        `json:"name,omitempty"`
	Dialect        string        `json:"dialect,omitempty"`
	PromptSettings bool          `json:"prompt_settings,omitempty"`
	Limits         api.KeyLimits `json:"limits,omitzero"`
	ExpiresAt      time.Time     `json:"expires_at,omitzero"`
}

// keys tells who a request is from. The bucket is the truth; all of it is in memory too.
type keys struct {
	bucket *bucket[apiKey]

	mu     sync.Mutex
	byHash map[string]*heldKey
}

// A heldKey is a key in memory, with how many requests it may send now.
type heldKey struct {
	apiKey
	revision uint64
	requests *rate.Limiter
}

// A caller is who sent a request.
type caller struct {
	apiKey
	id string
}

var (
	errNoKey      = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the request has no API key, want \"Bearer KEY\""}
	errWrongKey   = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the API key is not valid here"}
	errExpiredKey = &api.Error{Code: api.CodeUnauthorized, Message: "Authorization: the API key has expired"}
	errNotAdmin   = &api.Error{Code: api.CodeForbidden, Message: "this needs an admin key"}
)

func loadKeys(ctx context.Context, b *bucket[apiKey]) (*keys, error) {
	entries, err := b.all(ctx)
	if err != nil {
		return nil, err
	}
	k := &keys{bucket: b, byHash: map[string]*heldKey{}}
	for _, e := range entries {
		k.hold(e.key, e.value, e.revision)
	}
	return k, nil
}

func (k *keys) hold(hash string, key apiKey, revision uint64) {
	key.Name = cmp.Or(key.Name, nameless(hash, key.Role))
	limit, burst := rate.Inf, 0
	if n := key.Limits.RequestsPerMinute; n > 0 {
		limit, burst = rate.Limit(float64(n)/60), n
	}
	k.byHash[hash] = &heldKey{key, revision, rate.NewLimiter(limit, burst)}
}

// nameless names a key that was made before keys had names.
func nameless(hash string, r role) string {
	if r == roleAdmin {
		return firstAdmin
	}
	return keyID(hash)
}

func keyID(hash string) string { return hash[:min(len(hash), 16)] }

// caller finds whose key it is and counts the request. Keys are looked up by their hash, which gives
// an attacker no timing to learn from.
func (k *keys) caller(key string, now time.Time) (caller, error) {
	if key == "" {
		return caller{}, errNoKey
	}
	hash := hashHex([]byte(key))
	k.mu.Lock()
	defer k.mu.Unlock()
	held := k.byHash[hash]
	switch {
	case held == nil:
		return caller{}, errWrongKey
	case held.expired(now):
		return caller{}, errExpiredKey
	}
	if wait := held.admit(now); wait > 0 {
		return caller{}, &api.Error{
			Code: api.CodeRateLimited, RetryAfter: seconds(wait),
			Message: fmt.Sprintf("too many requests: this key may send %d a minute", held.Limits.RequestsPerMinute),
		}
	}
	return caller{held.apiKey, keyID(hash)}, nil
}

// admit takes one request off what is allowed, or says how long there is none.
func (h *heldKey) admit(now time.Time) time.Duration {
	r := h.requests.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// seconds rounds up, so that whoever waits for as long is not early.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

func (key apiKey) expired(now time.Time) bool {
	return !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt)
}

// binding returns the dialect that a key is bound to, "" for none.
func (k *keys) binding(key string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if held := k.byHash[hashHex([]byte(key))]; held != nil {
		return held.Dialect
	}
	return ""
}

// limits are those of the key with that name.
func (k *keys) limits(name string) api.KeyLimits {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, held := range k.byHash {
		if held.Name == name {
			return held.Limits
		}
	}
	return api.KeyLimits{}
}

// errNameTaken says that two keys would be one in the ledger.
var errNameTaken = errors.New("a key has this name")

// add makes a key valid, durably.
func (k *keys) add(ctx context.Context, secret string, key apiKey) (id string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, held := range k.byHash {
		if held.Name == key.Name {
			return "", errNameTaken
		}
	}
	hash := hashHex([]byte(secret))
	revision, err := k.bucket.create(ctx, hash, key)
	if err != nil {
		return "", err
	}
	k.hold(hash, key, revision)
	return keyID(hash), nil
}

// remove makes a key, by its id or name, invalid at once. The last admin's key stays: without it
// nobody could make another.
func (k *keys) remove(ctx context.Context, which string) (api.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	admins := 0
	var hash string
	for h, held := range k.byHash {
		if held.Role == roleAdmin && held.ExpiresAt.IsZero() {
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
	if held.Role == roleAdmin && held.ExpiresAt.IsZero() && admins == 1 {
		return api.Key{}, api.Errorf(api.CodeConflict, "key %s is the last admin's, want another admin key first", held.Name)
	}
	if err := k.bucket.remove(ctx, hash, held.revision); err != nil {
		return api.Key{}, err
	}
	delete(k.byHash, hash)
	return held.view(hash), nil
}

// list returns every key, by name.
func (k *keys) list() []api.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := []api.Key{}
	for hash, held := range k.byHash {
		list = append(list, held.view(hash))
	}
	slices.SortFunc(list, func(a, b api.Key) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (key apiKey) view(hash string) api.Key {
	return api.Key{
		ID: keyID(hash), Name: key.Name, Role: string(key.Role), Dialect: key.Dialect, PromptSettings: key.PromptSettings,
		Limits: key.Limits, CreatedAt: key.CreatedAt, ExpiresAt: key.ExpiresAt,
	}
}

// bearer returns the token of the Authorization header, "" when there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
