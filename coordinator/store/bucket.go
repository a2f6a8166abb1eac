package coordinator

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

// What a bucket says when a key is not as the caller thought.
var (
	errMissing = errors.New("no such key")
	errExists  = errors.New("the key exists")
	errChanged = errors.New("the record changed meanwhile")
)

// A bucket is a JetStream key-value bucket without history whose values are T as JSON. A value's
// revision grows over the whole bucket, so it orders keys by their last write.
//
// Writes go on when the caller's context ends: a client that hangs up must not leave half a
// transition. Each operation has JetStream's own time limit of 5 s.
type bucket[T any] struct {
	name   string
	kv     jetstream.KeyValue
	stream jetstream.Stream
}

// An entry is one value of a bucket.
type entry[T any] struct {
	key      string
	revision uint64
	value    T
}

func (b *bucket[T]) open(ctx context.Context, js jetstream.JetStream, name string, keep time.Duration) error {
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: name, History: 1, TTL: keep, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", name, err)
	}
	stream, err := js.Stream(ctx, "KV_"+name)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", name, err)
	}
	b.name, b.kv, b.stream = name, kv, stream
	return nil
}

// load returns the value of key and its revision, or errMissing.
func (b *bucket[T]) load(ctx context.Context, key string) (value T, revision uint64, err error) {
	e, err := b.kv.Get(context.WithoutCancel(ctx), key)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return value, 0, errMissing
	}
	if err != nil {
		return value, 0, fmt.Errorf("load %s %s: %w", b.name, key, err)
	}
	if err := json.Unmarshal(e.Value(), &value); err != nil {
		return value, 0, fmt.Errorf("decode %s %s: %w", b.name, key, err)
	}
	return value, e.Revision(), nil
}

// create writes the first value of key, or returns errExists.
func (b *bucket[T]) create(ctx context.Context, key string, value T) (uint64, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return 0, fmt.Errorf("encode %s %s: %w", b.name, key, err)
	}
	revision, err := b.kv.Create(context.WithoutCancel(ctx), key, body)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return 0, errExists
	}
	if err != nil {
		return 0, fmt.Errorf("create %s %s: %w", b.name, key, err)
	}
	return revision, nil
}

// update replaces the value of key if it still has that revision, or returns errChanged.
func (b *bucket[T]) update(ctx context.Context, key string, value T, revision uint64) (uint64, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return 0, fmt.Errorf("encode %s %s: %w", b.name, key, err)
	}
	next, err := b.kv.Update(context.WithoutCancel(ctx), key, body, revision)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, errChanged
	}
	if err != nil {
		return 0, fmt.Errorf("update %s %s: %w", b.name, key, err)
	}
	return next, nil
}

// remove takes that revision of key off the disk. The bucket's own delete would leave a marker for
// every key there ever was, and its stream denies deleting single messages, so it is purged. A
// revision that is gone already is fine.
func (b *bucket[T]) remove(ctx context.Context, key string, revision uint64) error {
	err := b.stream.Purge(context.WithoutCancel(ctx),
		jetstream.WithPurgeSubject("$KV."+b.name+"."+key), jetstream.WithPurgeSequence(revision+1))
	if err != nil {
		return fmt.Errorf("remove %s %s: %w", b.name, key, err)
	}
	return nil
}

// all returns every value, the one written longest ago first.
func (b *bucket[T]) all(ctx context.Context) ([]entry[T], error) {
	watcher, err := b.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", b.name, err)
	}
	defer watcher.Stop()
	var entries []entry[T]
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("list %s: %w", b.name, ctx.Err())
		case e := <-watcher.Updates():
			if e == nil { // the values there were at the start have all come
				return entries, nil
			}
			var value T
			if err := json.Unmarshal(e.Value(), &value); err != nil {
				return nil, fmt.Errorf("decode %s %s: %w", b.name, e.Key(), err)
			}
			entries = append(entries, entry[T]{e.Key(), e.Revision(), value})
		}
	}
}

// names returns every key, without reading the values.
func (b *bucket[T]) names(ctx context.Context) ([]string, error) {
	names, err := b.kv.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", b.name, err)
	}
	return names, nil
}

// oldest yields every value, the one written longest ago first, and reads no further than it is asked.
func (b *bucket[T]) oldest(ctx context.Context) iter.Seq2[entry[T], error] {
	prefix := "$KV." + b.name + "."
	return func(yield func(entry[T], error) bool) {
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
				yield(entry[T]{}, fmt.Errorf("list %s: %w", b.name, err))
				return
			}
			if !yield(entry[T]{strings.TrimPrefix(m.Subject, prefix), m.Sequence, value}, nil) {
				return
			}
			next = m.Sequence + 1
		}
	}
}
