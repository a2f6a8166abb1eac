// Package store keeps records: values by key in buckets, changed by compare-and-set. It owns how they are
// made durable, and knows nothing of what they are. Today that is JetStream, embedded in this process or
// of an external server; nothing above this room knows which.
package store

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

// A Store holds buckets, which [Open] opens.
type Store struct {
	embedded *server.Server // nil for an external one
	client   *nats.Conn
	js       jetstream.JetStream
}

// maxValue is the most bytes of a value: a node with all its models and LoRAs is the largest.
const maxValue = 4 << 20

// Embedded starts JetStream in dir/jetstream. Every write is synced before it is answered. The directory
// has to be locked by the caller: JetStream does not notice a second server on it.
func Embedded(ctx context.Context, dir string, log *slog.Logger) (*Store, error) {
	srv, err := startServer(dir, log)
	if err != nil {
		return nil, err
	}
	client, err := nats.Connect("", nats.InProcessServer(srv), nats.MaxReconnects(-1))
	if err != nil {
		stopServer(srv)
		return nil, fmt.Errorf("connect to jetstream: %w", err)
	}
	s, err := Over(client)
	if err != nil {
		client.Close()
		stopServer(srv)
		return nil, err
	}
	s.embedded = srv
	return s, nil
}

// Over is a store of the server behind a connection, which belongs to the store from here on.
func Over(client *nats.Conn) (*Store, error) {
	js, err := jetstream.New(client)
	if err != nil {
		return nil, fmt.Errorf("open jetstream: %w", err)
	}
	return &Store{client: client, js: js}, nil
}

func startServer(dir string, log *slog.Logger) (*server.Server, error) {
	options := &server.Options{
		ServerName: "easel-coordinator",
		DontListen: true, // the only connection is in process
		NoSigs:     true, // else it ends the process by itself on SIGINT
		JetStream:  true,
		StoreDir:   dir,
		SyncAlways: true,
		MaxPayload: maxValue,

		DisableJetStreamBanner: true,
	}
	options.JetStreamLimits.DefaultMaxConsumers = -1
	srv, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("start jetstream: %w", err)
	}
	srv.SetLogger(natsLog{log}, false, false)
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		stopServer(srv)
		return nil, errors.New("start jetstream: not ready after 30 s")
	}
	return srv, nil
}

func stopServer(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// Healthy reports why writes are not taken, nil when they are. After an input or output error the embedded
// JetStream takes none until it is started again.
func (s *Store) Healthy() error {
	if !s.client.IsConnected() {
		return fmt.Errorf("jetstream: the connection is %s", s.client.Status())
	}
	if s.embedded == nil {
		return nil
	}
	if status := s.embedded.Healthz(nil); status.Status != "ok" {
		return fmt.Errorf("jetstream: %s", status.Error)
	}
	return nil
}

// Close ends the connection, and the server where it is embedded.
func (s *Store) Close() {
	s.client.Close()
	if s.embedded != nil {
		stopServer(s.embedded)
	}
}

// natsLog passes on the server's warnings and errors; its notices are left out.
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
