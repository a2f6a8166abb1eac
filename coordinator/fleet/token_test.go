package fleet

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/coordinator/store/storetest"
)

func TestJoinTokenExpires(t *testing.T) {
	tokens, err := OpenTokens(t.Context(), storetest.Open(t), "abc")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	issued, err := tokens.Issue(t.Context(), now)
	token, expires := issued.Token, issued.ExpiresAt
	if err != nil || !strings.HasSuffix(token, ".abc") || !expires.Equal(now.Add(joinTokenValid)) {
		t.Fatalf("token %s until %s: %v", token, expires, err)
	}
	if err := tokens.Consume(t.Context(), token, "n1", expires); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("at its end: %v", err)
	}
	if err := tokens.Consume(t.Context(), token, "n1", now); err != nil {
		t.Errorf("in time: %v", err)
	}
	if err := tokens.Consume(t.Context(), token, "n1", now); err != nil {
		t.Errorf("the same node again: %v", err)
	}
	if err := tokens.Consume(t.Context(), token, "n2", now); !errors.Is(err, errTokenUsed) {
		t.Errorf("another node: %v", err)
	}
}
