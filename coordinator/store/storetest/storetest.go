// Package storetest opens stores for tests.
package storetest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/easelgrid/easel/coordinator/store"
	"github.com/nats-io/nats-server/v2/server"
)

// Open starts an embedded store on a fresh directory, which ends with the test.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Embedded(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Server starts an external JetStream on loopback and a fresh directory, which ends with the test, and returns
// its address.
func Server(t testing.TB) string {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return srv.ClientURL()
}
