package settings

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ParseCoordinator returns the coordinator's address as an http or https URL without a slash at its end.
func ParseCoordinator(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	case "http", "https":
	default:
		return nil, fmt.Errorf("not a scheme of a coordinator: %q", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, errors.New("no host")
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimRight(u.Path, "/"), "", ""
	return u, nil
}

// A Token is a join token, `easel-join-1.SECRET[.FINGERPRINT]`, in its parts. The coordinator is shown
// the whole text.
type Token struct {
	Text        string // "" when there is none
	Fingerprint string // lower-case hex of the certificate's SHA-256; "" when none is pinned
}

var errToken = errors.New("a token of the form easel-join-1.SECRET or easel-join-1.SECRET.FINGERPRINT")

// ParseToken reads a join token. An empty text is no token and no error.
func ParseToken(text string) (Token, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Token{}, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) < 2 || len(parts) > 3 || parts[0] != "easel-join-1" || parts[1] == "" {
		return Token{}, errToken
	}
	t := Token{Text: text}
	if len(parts) == 3 {
		t.Fingerprint = strings.ToLower(parts[2])
		if sum, err := hex.DecodeString(t.Fingerprint); err != nil || len(sum) != 32 {
			return Token{}, errToken
		}
	}
	return t, nil
}
