package intake_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/coordtest"
)

func TestFutureLinks(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains)
	n := w.Node()
	reply := coordtest.Decoded[coordtest.Reply](t, w.Call("POST", "/v1/begin", `{"job":{"prompt":"a red circle","seed":3,"format":"webp"}}`))
	link := reply.Links[0]
	if !strings.Contains(link, "/images/0.webp?") {
		t.Errorf("link %s", link)
	}
	a := n.Assigned()
	early := w.Call("GET", link, "", "Authorization", "")
	if early.Status != 404 || early.Header.Get("Retry-After") == "" || early.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("before it is made: %d %s %v", early.Status, early.Body, early.Header)
	}
	n.Done(a)
	n.Settled(a.Attempt)
	if got := w.Call("GET", link, "", "Authorization", ""); got.Status != 200 || !bytes.Equal(got.Body, coordtest.Picture(3)) {
		t.Errorf("when it is made: %d", got.Status)
	}
	if now := w.Job(reply.Job.ID).Images[0].URL; now != link {
		t.Errorf("link %s, then %s", link, now)
	}
}

func TestClientThatGoesAway(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("kept %v", keep), func(t *testing.T) {
			w := coordtest.New(t, coordtest.Plains, func(c *coordinator.Config) { c.KeepAbandoned = keep })
			n := w.Node()
			ctx, leave := context.WithCancel(t.Context())
			asked := w.Asking(ctx, w.Key, "/v1/make", `{"job":{"prompt":"a red circle"}}`)
			a := n.Assigned()
			leave()
			<-asked
			if keep {
				n.Done(a)
				w.Reach(a.Job, coordtest.In(api.StateSucceeded))
				return
			}
			w.Reach(a.Job, coordtest.In(api.StateCanceled))
			n.Await(func(m api.CoordinatorMessage) bool { return m.Cancel != nil && m.Cancel.Attempt == a.Attempt })
		})
	}
}

func TestStoppingDoesNotCancelWhatIsWaitedFor(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains)
	n := w.Node()
	asked := w.Asking(t.Context(), w.Key, "/v1/make", `{"job":{"prompt":"a red circle"}}`)
	a := n.Assigned()
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got.Status != 503 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	w.Start(coordtest.Plains)
	if job := w.Job(a.Job); job.State.Terminal() {
		t.Errorf("the job is %s", job.State)
	}
}

func TestCancelQueued(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains)
	n := w.Node()
	alice := w.NewKey(`{"name":"alice"}`)
	begin := func(key string) string {
		return coordtest.Decoded[coordtest.Reply](t, w.Call("POST", "/v1/begin", `{"job":{"prompt":"a red circle"}}`, "Authorization", "Bearer "+key)).Job.ID
	}
	running := begin(alice)
	n.Assigned()
	waiting, others := []string{begin(alice), begin(alice)}, begin(w.Key)
	if got := w.Call("DELETE", "/v1/jobs", "", "Authorization", "Bearer "+alice); strings.TrimSpace(string(got.Body)) != "2" {
		t.Errorf("canceled %s", got.Body)
	}
	for _, id := range waiting {
		if state := w.Job(id).State; state != api.StateCanceled {
			t.Errorf("job %s is %s", id, state)
		}
	}
	for _, id := range []string{running, others} {
		if state := w.Job(id).State; state.Terminal() {
			t.Errorf("job %s is %s", id, state)
		}
	}
}

func TestOwnLinksAreReadFromWhereTheyAre(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains, func(c *coordinator.Config) { c.PublicURL = "http://images.invalid/" })
	n := w.Node()
	link := coordtest.Decoded[coordtest.Reply](t, w.Call("POST", "/v1/begin", `{"job":{"prompt":"a red circle","seed":3}}`)).Links[0]
	if !strings.HasPrefix(link, "http://images.invalid/easel/v1/jobs/") {
		t.Errorf("link %s", link)
	}
	a := n.Assigned()
	n.Done(a)
	n.Settled(a.Attempt)
	if got := w.Call("POST", "/v1/fetch", link); got.Status != 200 || !bytes.Equal(got.Body, coordtest.Picture(3)) {
		t.Errorf("its own: %d %.100s", got.Status, got.Body)
	}
	for name, address := range map[string]string{
		"another signature": strings.Replace(link, "signature=", "signature=0", 1),
		"our own address":   w.Where.URL + "/healthz",
		"a file":            "file:///etc/passwd",
	} {
		if got := w.Call("POST", "/v1/fetch", address); got.Status != 400 || !strings.HasPrefix(string(got.Body), "first says invalid_request") {
			t.Errorf("%s: %d %.100s", name, got.Status, got.Body)
		}
	}
}
