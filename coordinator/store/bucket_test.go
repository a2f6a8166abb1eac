package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/coordinator/store/storetest"
)

type note struct{ Text string }

// engines are what a store can be over. The suite passes over each.
var engines = map[string]func(t *testing.T) *store.Store{
	"embedded": func(t *testing.T) *store.Store { return storetest.Open(t) },
	"external": func(t *testing.T) *store.Store {
		client, err := nats.Connect(storetest.Server(t))
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Over(client)
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
}

// over runs a test over every engine, with an empty bucket.
func over(t *testing.T, test func(t *testing.T, b *store.Bucket[note])) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(s.Close)
			b, err := store.Open[note](t.Context(), s, "notes", 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Healthy(); err != nil {
				t.Error(err)
			}
			test(t, b)
		})
	}
}

func TestBucket(t *testing.T) {
	over(t, func(t *testing.T, b *store.Bucket[note]) {
		ctx := t.Context()
		first, err := b.Create(ctx, "a", note{"1"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Create(ctx, "a", note{}); !errors.Is(err, store.ErrExists) {
			t.Errorf("create again: %v", err)
		}
		second, err := b.Replace(ctx, "a", note{"2"}, first)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Replace(ctx, "a", note{"3"}, first); !errors.Is(err, store.ErrChanged) {
			t.Errorf("replace of an old revision: %v", err)
		}
		if err := b.Delete(ctx, "a", first); err != nil {
			t.Fatal(err)
		}
		if value, revision, err := b.Get(ctx, "a"); err != nil || value.Text != "2" || revision != second {
			t.Errorf("deleting an old revision took the new one: %v %d %v", value, revision, err)
		}
		if err := b.Delete(ctx, "a", second); err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(ctx, "a", second); err != nil {
			t.Errorf("delete again: %v", err)
		}
		if _, _, err := b.Get(ctx, "a"); !errors.Is(err, store.ErrMissing) {
			t.Errorf("get: %v", err)
		}
		if keys, err := b.Keys(ctx); err != nil || len(keys) != 0 {
			t.Errorf("a marker stays: %v %v", keys, err)
		}
		if _, err := b.Create(ctx, "a", note{"4"}); err != nil {
			t.Errorf("create after delete: %v", err)
		}
		for _, key := range []string{"", "a b", "*", ">", ".."} {
			if _, _, err := b.Get(ctx, key); !errors.Is(err, store.ErrMissing) {
				t.Errorf("get %q: %v", key, err)
			}
		}
	})
}

func TestListsAreInOrderOfTheLastWrite(t *testing.T) {
	over(t, func(t *testing.T, b *store.Bucket[note]) {
		ctx := t.Context()
		for _, key := range []string{"c", "a", "b"} {
			if _, err := b.Create(ctx, key, note{key}); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := b.Update(ctx, "c", func(n *note, _ uint64) error { n.Text = "C"; return nil }); err != nil {
			t.Fatal(err)
		}
		all, err := b.All(ctx)
		if got := fmt.Sprint(texts(all)); err != nil || got != "[a b C]" {
			t.Errorf("all: got %s, %v, want [a b C]", got, err)
		}
		var oldest []store.Entry[note]
		for e, err := range b.Oldest(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			oldest = append(oldest, e)
			if e.Key == "b" {
				break
			}
		}
		if got := fmt.Sprint(texts(oldest)); got != "[a b]" {
			t.Errorf("oldest: got %s, want [a b]", got)
		}
	})
}

func texts(entries []store.Entry[note]) []string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Value.Text)
	}
	return list
}

func TestWatchFollowsWrites(t *testing.T) {
	over(t, func(t *testing.T, b *store.Bucket[note]) {
		ctx := t.Context()
		if _, err := b.Create(ctx, "a", note{"before"}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for change, err := range b.Watch(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if !change.Current {
				got = append(got, change.Value.Text)
			} else if _, err := b.Create(ctx, "b", note{"after"}); err != nil {
				t.Fatal(err)
			}
			if len(got) == 2 {
				break
			}
		}
		if fmt.Sprint(got) != "[before after]" {
			t.Errorf("got %v, want [before after]", got)
		}
	})
}

// TestUpdateIsNotLost has many writers change one value at the same time: each loses compare-and-sets to
// the others and tries again.
func TestUpdateIsNotLost(t *testing.T) {
	over(t, func(t *testing.T, b *store.Bucket[note]) {
		const writers, each = 4, 10
		var group sync.WaitGroup
		for range writers {
			group.Go(func() {
				for range each {
					if _, _, err := b.Upsert(t.Context(), "count", func(n *note, _ uint64) error { n.Text += "x"; return nil }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if got, _, err := b.Get(t.Context(), "count"); err != nil || len(got.Text) != writers*each {
			t.Errorf("got %d updates, %v, want %d", len(got.Text), err, writers*each)
		}
	})
}

func TestUpdateThatIsRefusedChangesNothing(t *testing.T) {
	over(t, func(t *testing.T, b *store.Bucket[note]) {
		ctx, refused := t.Context(), errors.New("refused")
		if _, _, err := b.Update(ctx, "a", func(*note, uint64) error { return nil }); !errors.Is(err, store.ErrMissing) {
			t.Errorf("update of a missing key: %v", err)
		}
		revision, err := b.Create(ctx, "a", note{"1"})
		if err != nil {
			t.Fatal(err)
		}
		got, at, err := b.Update(ctx, "a", func(n *note, _ uint64) error { n.Text = "2"; return refused })
		if !errors.Is(err, refused) || got.Text != "1" || at != revision {
			t.Errorf("got %v at %d, %v, want the value as it was", got, at, err)
		}
		if got, _, _ := b.Get(ctx, "a"); got.Text != "1" {
			t.Errorf("got %q", got.Text)
		}
	})
}
