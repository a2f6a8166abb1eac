package coordinator

import (
	"context"
	"net/http"
	"strings"
)

// base is the scheme and host under which the client reached us, as links begin; "" when it did not say.
func (c *coordinator) base(r *http.Request) string {
	switch {
	case c.config.PublicURL != "":
		return strings.TrimSuffix(c.config.PublicURL, "/")
	case r == nil || r.Host == "":
		return ""
	// A proxy that has the TLS says how the client came. The word decides nothing but our links.
	case r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https":
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

type baseKey struct{}

// withBase hands the base down to where jobs are submitted: links in webhooks are made when there is
// no request any more.
func withBase(ctx context.Context, base string) context.Context {
	return context.WithValue(ctx, baseKey{}, base)
}

func baseOf(ctx context.Context) string {
	text, _ := ctx.Value(baseKey{}).(string)
	return text
}
