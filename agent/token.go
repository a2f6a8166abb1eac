package agent

import (
	"encoding/hex"
	"errors"
	"strings"
)

// joinToken is what `easel-join-1.SECRET[.FINGERPRINT]` says. The secret is kept within the whole
// text, which is what the coordinator is shown.
type joinToken struct {
	text        string // "" when there is none
	fingerprint string // lower-case hex of the certificate's SHA-256; "" when none is pinned
}

// The token's text never goes into an error: it may be a good one with a slip at its end.
var errToken = errors.New("a token of the form easel-join-1.SECRET or easel-join-1.SECRET.FINGERPRINT")

func parseJoinToken(text string) (joinToken, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return joinToken{}, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) < 2 || len(parts) > 3 || parts[0] != "easel-join-1" || parts[1] == "" {
		return joinToken{}, errToken
	}
	t := joinToken{text: text}
	if len(parts) == 3 {
		t.fingerprint = strings.ToLower(parts[2])
		if sum, err := hex.DecodeString(t.fingerprint); err != nil || len(sum) != 32 {
			return joinToken{}, errToken
		}
	}
	return t, nil
}
