package fleet

import (
	"testing"

	"github.com/easelgrid/easel/coordinator/store/storetest"
)

// A write whose answer was lost, though it happened, is not undone by the next one.
func TestNodesCatchUpWithTheStore(t *testing.T) {
	f, err := Open(t.Context(), storetest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{"created meanwhile", "updated meanwhile"} {
		_, _, err := f.records.Upsert(t.Context(), "catchup", func(r *Record, _ uint64) error {
			r.Revoked, r.Disconnect = true, reason
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Save(t.Context(), "catchup", func(r *Record) { r.Draining = true }); err != nil {
			t.Fatalf("save: %v", err)
		}
		if r, ok := f.Record("catchup"); !ok || !r.Revoked || !r.Draining || r.Disconnect != reason {
			t.Errorf("record: %+v", r)
		}
	}
}
