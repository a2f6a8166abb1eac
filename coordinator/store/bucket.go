package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What a bucket answers when a key is not as the caller thought.
var (
	ErrMissing = errors.New("no such key")
	ErrExists  = errors.New("the key exists")
	ErrChanged = errors.New("the record changed meanwhile")
)

// A Bucket keeps values of T by key, without their history. A value's revision grows within the whole
// bucket, so it orders keys by their last write.
//
// Writes go on when the caller's context ends: a client that hangs up must not leave half a transition.
// Each operation has a time limit of 5 s, which is JetStream's own.
type Bucket[T any] struct {
	name   string
	kv     jetstream.KeyValue
	stream jetstream.Stream
}

// An Entry is one value of a bucket.
type Entry[T any] struct {
	Key      string
	Revision uint64
	Value    T
}

// Open opens a bucket, which is made when missing. Keep is how long a value stays after its last write, 0
// is for ever.
func Open[T any](ctx context.Context, s *Store, name string, keep time.Duration) (*Bucket[T], error) {
	kv, err := s.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: name, History: 1, TTL: keep, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", name, err)
	}
	stream, err := s.js.Stream(ctx, "KV_"+name)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", name, err)
	}
	return &Bucket[T]{name, kv, stream}, nil
}

// Get returns the value of key and its revision, or ErrMissing.
func (b *Bucket[T]) Get(ctx context.Context, key string) (value T, revision uint64, err error) {
	body, revision, err := b.read(ctx, key)
	if err == nil {
		value, err = b.decode(key, body)
	}
	return value, revision, err
}

// read returns the bytes of key's value and its revision, or ErrMissing.
func (b *Bucket[T]) read(ctx context.Context, key string) (body []byte, revision uint64, err error) {
	e, err := b.kv.Get(context.WithoutCancel(ctx), key)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return nil, 0, ErrMissing
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %s %s: %w", b.name, key, err)
	}
	return e.Value(), e.Revision(), nil
}

// decode makes a value of its bytes; none are the zero value.
func (b *Bucket[T]) decode(key string, body []byte) (value T, err error) {
	if len(body) == 0 {
		return value, nil
	}
	if err := json.Unmarshal(body, &value); err != nil {
		return value, fmt.Errorf("decode %s %s: %w", b.name, key, err)
	}
	return value, nil
}

// Create writes the first value of key, or returns ErrExists.
func (b *Bucket[T]) Create(ctx context.Context, key string, value T) (uint64, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return 0, fmt.Errorf("encode %s %s: %w", b.name, key, err)
	}
	revision, err := b.kv.Create(context.WithoutCancel(ctx), key, body)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return 0, ErrExists
	}
	if err != nil {
		return 0, fmt.Errorf("create %s %s: %w", b.name, key, err)
	}
	return revision, nil
}

// Replace writes another value of key if it still has that revision, or returns ErrChanged.
func (b *Bucket[T]) Replace(ctx context.Context, key string, value T, revision uint64) (uint64, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return 0, fmt.Errorf("encode %s %s: %w", b.name, key, err)
	}
	next, err := b.kv.Update(context.WithoutCancel(ctx), key, body, revision)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, ErrChanged
	}
	if err != nil {
		return 0, fmt.Errorf("write %s %s: %w", b.name, key, err)
	}
	return next, nil
}

// maxLost is how many compare-and-sets one Update may lose to other writers. Every loss is somebody else's
// progress, so so many in a row mean that something is wrong.
const maxLost = 32

// Update changes the value of key: edit is given the value and its revision and changes it in place, then
// it is written if nobody has written since, else all of it is done again with what is there then. So edit
// may be called several times. It returns what was written with its new revision; after an error of edit,
// which ends the update, the value as it was. A key that does not exist is ErrMissing.
func (b *Bucket[T]) Update(ctx context.Context, key string, edit func(value *T, revision uint64) error) (T, uint64, error) {
	return b.update(ctx, key, edit, false)
}

// Upsert is Update that begins with the zero value and revision 0 where the key does not exist.
func (b *Bucket[T]) Upsert(ctx context.Context, key string, edit func(value *T, revision uint64) error) (T, uint64, error) {
	return b.update(ctx, key, edit, true)
}

func (b *Bucket[T]) update(ctx context.Context, key string, edit func(*T, uint64) error, create bool) (T, uint64, error) {
	for lost := 0; ; lost++ {
		body, revision, err := b.read(ctx, key)
		if create && errors.Is(err, ErrMissing) {
			err = nil
		}
		var before, after T // decoded twice: edit may write through pointers
		if err == nil {
			before, err = b.decode(key, body)
		}
		if err == nil {
			after, err = b.decode(key, body)
		}
		if err == nil {
			err = edit(&after, revision)
		}
		if err != nil {
			return before, revision, err
		}
		next, err := b.put(ctx, key, after, revision)
		if err == nil {
			return after, next, nil
		}
		if !errors.Is(err, ErrChanged) && !errors.Is(err, ErrExists) || lost == maxLost {
			return before, revision, err
		}
	}
}

// put replaces the value of that revision; 0 means that there is none.
func (b *Bucket[T]) put(ctx context.Context, key string, value T, revision uint64) (uint64, error) {
	if revision == 0 {
		return b.Create(ctx, key, value)
	}
	return b.Replace(ctx, key, value, revision)
}

// Delete takes that revision of key off the disk. A bucket's ordinary delete leaves a marker for every key
// there ever was, and its stream denies deleting single messages, so it is purged. A revision that is gone
// already is fine.
func (b *Bucket[T]) Delete(ctx context.Context, key string, revision uint64) error {
	err := b.stream.Purge(context.WithoutCancel(ctx),
		jetstream.WithPurgeSubject("$KV."+b.name+"."+key), jetstream.WithPurgeSequence(revision+1))
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", b.name, key, err)
	}
	return nil
}

// A Change is a value as [Bucket.Watch] finds it. Current marks, without an entry, that all values that
// there were at the beginning have come.
type Change[T any] struct {
	Entry[T]
	Current bool
}

// Watch yields every value there is, the one written longest ago first, then one Change that is Current,
// then every value as it is written, until ctx ends or the caller stops. A delete leaves nothing behind and
// so is not seen.
func (b *Bucket[T]) Watch(ctx context.Context) iter.Seq2[Change[T], error] {
	return func(yield func(Change[T], error) bool) {
		watcher, err := b.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
		if err != nil {
			yield(Change[T]{}, fmt.Errorf("watch %s: %w", b.name, err))
			return
		}
		defer watcher.Stop()
		for {
			select {
			case <-ctx.Done():
				yield(Change[T]{}, fmt.Errorf("watch %s: %w", b.name, ctx.Err()))
				return
			case e, open := <-watcher.Updates():
				if !open {
					yield(Change[T]{}, fmt.Errorf("watch %s: the connection ended", b.name))
					return
				}
				if change, err := changeOf[T](b.name, e); !yield(change, err) || err != nil {
					return
				}
			}
		}
	}
}

func changeOf[T any](bucket string, e jetstream.KeyValueEntry) (Change[T], error) {
	if e == nil {
		return Change[T]{Current: true}, nil
	}
	c := Change[T]{Entry: Entry[T]{Key: e.Key(), Revision: e.Revision()}}
	if err := json.Unmarshal(e.Value(), &c.Value); err != nil {
		return c, fmt.Errorf("decode %s %s: %w", bucket, e.Key(), err)
	}
	return c, nil
}

// All returns every value, the one written longest ago first.
func (b *Bucket[T]) All(ctx context.Context) ([]Entry[T], error) {
	var entries []Entry[T]
	for change, err := range b.Watch(ctx) {
		if err != nil {
			return nil, err
		}
		if change.Current {
			break
		}
		entries = append(entries, change.Entry)
	}
	return entries, nil
}

// Keys returns every key, without reading the values.
func (b *Bucket[T]) Keys(ctx context.Context) ([]string, error) {
	keys, err := b.kv.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", b.name, err)
	}
	return keys, nil
}

// Oldest yields every value, the one written longest ago first, and reads no further than it is asked.
func (b *Bucket[T]) Oldest(ctx context.Context) iter.Seq2[Entry[T], error] {
	prefix := "$KV." + b.name + "."
	return func(yield func(Entry[T], error) bool) {
		for next := uint64(1); ; {
			m, err := b.stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(prefix+">"))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return
			}
			var value T
			if err == nil {
				err = json.Unmarshal(m.Data, &value)
			}
			if err != nil {
				yield(Entry[T]{}, fmt.Errorf("list %s: %w", b.name, err))
				return
			}
			if !yield(Entry[T]{strings.TrimPrefix(m.Subject, prefix), m.Sequence, value}, nil) {
				return
			}
			next = m.Sequence + 1
		}
	}
}
