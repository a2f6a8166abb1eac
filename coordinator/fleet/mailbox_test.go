package fleet

import (
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestNodeThatDoesNotReadLosesItsSession(t *testing.T) {
	m := NewMailbox("n")
	for range mailboxSize {
		if !m.Send(api.CoordinatorMessage{}) {
			t.Fatal("not queued")
		}
	}
	if m.Send(api.CoordinatorMessage{}) {
		t.Error("queued beyond the limit")
	}
	<-m.Ended()
}
