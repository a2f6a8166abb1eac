// Package storetest opens stores for tests.
package storetest

import (
	"log/slog"
	"testing"

	"github.com/easelgrid/easel/coordinator/store"
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
