package dialect

import (
	"net/http"
	"strings"
)

// Key is the API key of a request: a bearer token, or the Authorization header as it is for clients
// that send nothing else in it.
func Key(r *http.Request) string {
	header := strings.TrimSpace(r.Header.Get("Authorization"))
	if scheme, token, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	if strings.Contains(header, " ") || strings.EqualFold(header, "Bearer") {
		return "" // another scheme
	}
	return header
}
