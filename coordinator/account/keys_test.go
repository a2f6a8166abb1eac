package account

import (
	"sync"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/ident"
)

func TestExpiredKey(t *testing.T) {
	now := time.Now()
	k := &Keys{byHash: map[string]*heldKey{}}
	k.hold(ident.Digest([]byte("secret")), Key{Role: RoleClient, Name: "some", ExpiresAt: now}, 1)
	if _, err := k.Caller("secret", now.Add(-time.Second)); err != nil {
		t.Errorf("before: %v", err)
	}
	if _, err := k.Caller("secret", now); err != errExpiredKey {
		t.Errorf("after: %v", err)
	}
}

func TestRequestsComeBackWithTime(t *testing.T) {
	k, now := &Keys{byHash: map[string]*heldKey{}}, time.Now()
	k.hold(ident.Digest([]byte("secret")), Key{Role: RoleClient, Name: "some", Limits: api.KeyLimits{RequestsPerMinute: 30}}, 1)
	use := func(at time.Time) *api.Error {
		_, err := k.Caller("secret", at)
		if err == nil {
			return nil
		}
		return api.AsError(err, "")
	}
	for i := range 30 {
		if err := use(now); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	err := use(now)
	if err == nil || err.Code != api.CodeRateLimited || err.RetryAfter != 2 {
		t.Fatalf("the 31st: %+v", err)
	}
	if err := use(now.Add(time.Duration(err.RetryAfter) * time.Second)); err != nil {
		t.Errorf("after as long as it says: %v", err)
	}
}

// However many requests are refused at once, none of them costs the key a later one.
func TestRefusedRequestsCostNothing(t *testing.T) {
	k, now := &Keys{byHash: map[string]*heldKey{}}, time.Now()
	k.hold(ident.Digest([]byte("secret")), Key{Role: RoleClient, Name: "some", Limits: api.KeyLimits{RequestsPerMinute: 60}}, 1)
	for i := range 60 {
		if _, err := k.Caller("secret", now); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			for range 20000 {
				if _, err := k.Caller("secret", now); api.AsError(err, "").RetryAfter != 1 {
					t.Errorf("refused for %d s: %v", api.AsError(err, "").RetryAfter, err)
					return
				}
			}
		})
	}
	clients.Wait()
	if _, err := k.Caller("secret", now.Add(time.Second)); err != nil {
		t.Errorf("a second later: %v", err)
	}
}
