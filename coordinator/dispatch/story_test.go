package dispatch_test

import (
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/coordtest"
)

// A small free job passes a large one that fits nowhere.
func TestJobThatFitsNowhereHoldsUpNobody(t *testing.T) {
	w := coordtest.New(t)
	n := w.NewNode()
	n.Runtimes[0].MaxPixels = 128 * 128
	big := w.Submit(`{"prompt":"a","width":512,"height":512}`)
	small := w.Submit(`{"prompt":"a"}`)
	if err := n.Join(w.Token); err != nil {
		t.Fatal(err)
	}
	if a := n.Assigned(); a.Job != small.ID {
		t.Errorf("assigned %s", a.Job)
	}
	e := coordtest.Decoded[api.Explanation](t, w.Call("GET", "/easel/v1/jobs/"+big.ID+"/explain", ""))
	if len(e.Nodes) != 1 || !strings.Contains(e.Nodes[0].Reason, "at most 16384 pixels") {
		t.Errorf("explanation: %+v", e)
	}
}
