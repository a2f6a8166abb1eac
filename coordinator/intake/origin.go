package intake

import (
	"context"
	"net/http"
	"strings"

	"github.com/easelgrid/easel/coordinator/account"
)

// Base is the scheme and host under which the client reached us, as links begin; "" when it is not known.
func (s *Service) Base(r *http.Request) string {
	switch {
	case s.o.PublicURL != "":
		return strings.TrimSuffix(s.o.PublicURL, "/")
	case r == nil || r.Host == "":
		return ""
	// A proxy that has the TLS reports how the client came. It decides nothing but our links.
	case r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https":
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// An origin is what was found out about a request before its dialect got it.
type origin struct {
	base  string
	key   string
	found account.Found
}

type originKey struct{}

// WithOrigin hands down what the mount of the dialects found out about a request: how links begin, since
// those in webhooks are made when there is no request any more, and the API key in its header, so that it
// is looked up once. The key is "" where none was found.
func WithOrigin(ctx context.Context, base, key string, found account.Found) context.Context {
	return context.WithValue(ctx, originKey{}, origin{base, key, found})
}

func baseOf(ctx context.Context) string {
	o, _ := ctx.Value(originKey{}).(origin)
	return o.base
}

// key looks an API key up, unless that was done on the way here.
func (s *Service) key(ctx context.Context, key string) (account.Found, error) {
	if o, ok := ctx.Value(originKey{}).(origin); ok && o.key != "" && o.key == key {
		return o.found, nil
	}
	return s.o.Keys.Find(key)
}
