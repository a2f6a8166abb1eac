package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/coordtest"
)

func TestUsage(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	alice := w.NewKey(`{"name":"alice"}`)
	as := func(key, body string) string {
		return coordtest.Decoded[api.Job](t, w.Call("POST", "/easel/v1/jobs", body, "Authorization", "Bearer "+key)).ID
	}
	as(alice, `{"prompt":"a red circle","n":2,"steps":10,"width":256,"height":128}`)
	made := n.Assigned()
	n.Done(made)
	n.Settled(made.Attempt)
	as(alice, `{"prompt":"a red circle"}`)
	failed := n.Assigned()
	n.Fail(failed.Attempt, api.CodeUnsupported)
	n.Settled(failed.Attempt)
	w.Call("DELETE", "/easel/v1/jobs/"+as(alice, `{"prompt":"a red circle"}`), "")
	as(w.Key, `{"prompt":"a red circle"}`)

	want := api.Usage{Key: "alice", Day: account.DayOf(time.Now()), Jobs: 3, Succeeded: 1, Failed: 1, Canceled: 1, Images: 2, MegapixelSteps: 10 * 256 * 128 * 2 / 1048576.0}
	for _, key := range []string{alice, w.Key} {
		if got := w.Usage(key, "?key=alice"); len(got) != 1 || got[0] != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if got := w.Usage(w.Key, ""); len(got) != 1 { // the admin's own job is not settled
		t.Errorf("of all keys: %+v", got)
	}
	if got := w.Usage(alice, "?to=2020-01-01&from=2019-01-01"); len(got) != 0 {
		t.Errorf("long ago: %+v", got)
	}
	if got := w.Call("GET", "/easel/v1/usage?key=admin", "", "Authorization", "Bearer "+alice); got.Status != 403 {
		t.Errorf("somebody else's: %d %s", got.Status, got.Body)
	}
	if got := w.Call("GET", "/easel/v1/usage?from=today&to=1", ""); got.Status != 400 || !strings.Contains(coordtest.Message(t, got), "from:") || !strings.Contains(coordtest.Message(t, got), "to:") {
		t.Errorf("no days: %d %s", got.Status, got.Body)
	}
}
