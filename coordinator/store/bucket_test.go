package coordinator

import (
	"errors"
	"testing"
)

func TestBucket(t *testing.T) {
	s, err := openStorage(t.Context(), t.TempDir(), discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ctx, b := t.Context(), &s.idempotency
	first, err := b.create(ctx, "a", replay{Job: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.create(ctx, "a", replay{}); !errors.Is(err, errExists) {
		t.Errorf("create again: %v", err)
	}
	second, err := b.update(ctx, "a", replay{Job: "2"}, first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.update(ctx, "a", replay{Job: "3"}, first); !errors.Is(err, errChanged) {
		t.Errorf("update of an old revision: %v", err)
	}
	if err := b.remove(ctx, "a", first); err != nil {
		t.Fatal(err)
	}
	if value, revision, err := b.load(ctx, "a"); err != nil || value.Job != "2" || revision != second {
		t.Errorf("removing an old revision took the new one: %v %d %v", value, revision, err)
	}
	if err := b.remove(ctx, "a", second); err != nil {
		t.Fatal(err)
	}
	if err := b.remove(ctx, "a", second); err != nil {
		t.Errorf("remove again: %v", err)
	}
	if _, _, err := b.load(ctx, "a"); !errors.Is(err, errMissing) {
		t.Errorf("load: %v", err)
	}
	if info, err := b.stream.Info(ctx); err != nil || info.State.Msgs != 0 {
		t.Errorf("a marker stays: %+v %v", info.State, err)
	}
	if _, err := b.create(ctx, "a", replay{Job: "4"}); err != nil {
		t.Errorf("create after remove: %v", err)
	}
	for _, key := range []string{"", "a b", "*", ">", ".."} {
		if _, _, err := b.load(ctx, key); !errors.Is(err, errMissing) {
			t.Errorf("load %q: %v", key, err)
		}
	}
}
