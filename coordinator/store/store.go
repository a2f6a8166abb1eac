package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// storage is the embedded JetStream server and its buckets.
//
// The durable queue is a bucket of open jobs and not a work-queue stream. Acknowledgements of a
// stream are not fenced: one that comes after a redelivery still deletes the message, so a record
// with compare-and-set is needed anyway, and then two things would hold the truth. Here the record
// is the truth, the queue entry says only that the job is not settled yet and where it stands, the
// queue in memory is rebuilt from both, and a start costs the open jobs and not the history.
type storage struct {
	server *server.Server
	client *nats.Conn

	jobs        bucket[record]
	queue       bucket[place]
	idempotency bucket[replay]
	aliases     bucket[alias]
	ledger      bucket[ledgerDay]
	nodes       bucket[nodeRecord]
	tokens      bucket[joinToken]
	keys        bucket[apiKey]
	webhooks    bucket[dueWebhook]
}

// idempotencyKept is how long an Idempotency-Key gives the same job.
const idempotencyKept = 24 * time.Hour

// openStorage starts JetStream in dir/jetstream. Every write is synced before it is answered.
func openStorage(ctx context.Context, dir string, log *slog.Logger) (*storage, error) {
	options := &server.Options{
		ServerName: "easel-coordinator",
		DontListen: true, // the only connection is in process
		NoSigs:     true, // else it ends the process by itself on SIGINT
		JetStream:  true,
		StoreDir:   dir,
		SyncAlways: true,

		DisableJetStreamBanner: true,
	}
	options.JetStreamLimits.DefaultMaxConsumers = -1
	srv, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("start jetstream: %w", err)
	}
	srv.SetLogger(natsLog{log}, false, false)
	srv.Start()
	s := &storage{server: srv}
	if !srv.ReadyForConnections(30 * time.Second) {
		s.close()
		return nil, errors.New("start jetstream: not ready after 30 s")
	}
	if s.client, err = nats.Connect("", nats.InProcessServer(srv), nats.MaxReconnects(-1)); err != nil {
		s.close()
		return nil, fmt.Errorf("connect to jetstream: %w", err)
	}
	if err := s.openBuckets(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *storage) openBuckets(ctx context.Context) error {
	js, err := jetstream.New(s.client)
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	return errors.Join(
		s.jobs.open(ctx, js, "jobs", 0),
		s.queue.open(ctx, js, "queue", 0),
		s.idempotency.open(ctx, js, "idempotency", idempotencyKept),
		s.aliases.open(ctx, js, "aliases", 0),
		s.ledger.open(ctx, js, "ledger", 0),
		s.nodes.open(ctx, js, "nodes", 0),
		s.tokens.open(ctx, js, "tokens", 0),
		s.keys.open(ctx, js, "keys", 0),
		s.webhooks.open(ctx, js, "webhooks", 0),
	)
}

// healthy reports whether JetStream takes writes. After an input/output error it does not until it
// is started again.
func (s *storage) healthy() error {
	if status := s.server.Healthz(nil); status.Status != "ok" {
		return fmt.Errorf("jetstream: %s", status.Error)
	}
	return nil
}

func (s *storage) close() {
	if s.client != nil {
		s.client.Close()
	}
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// natsLog passes on what the server says when something is wrong; its ordinary words are noise.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Noticef(string, ...any) {}
func (l natsLog) Debugf(string, ...any)  {}
func (l natsLog) Tracef(string, ...any)  {}

func (l natsLog) Warnf(format string, args ...any) {
	l.log.Warn("jetstream", "message", fmt.Sprintf(format, args...))
}

func (l natsLog) Errorf(format string, args ...any) {
	l.log.Error("jetstream", "message", fmt.Sprintf(format, args...))
}

func (l natsLog) Fatalf(format string, args ...any) {
	l.log.Error("jetstream", "message", fmt.Sprintf(format, args...))
}
