package httpapi_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/coordinator/httpapi"
)

func TestDialectMakesAPicture(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains)
	n := w.Node()
	asked := w.Asking(t.Context(), w.Key, "/v1/make", `{"job":{"prompt":"a red circle","n":2,"seed":5}}`)
	a := n.Assigned()
	n.Progress(a.Attempt, 3)
	n.Done(a)
	got, ok := <-asked
	if !ok || got.Status != 200 {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	reply := coordtest.Decoded[coordtest.Reply](t, got)
	if reply.Job.State != api.StateSucceeded || len(reply.Files) != 2 || !strings.HasSuffix(reply.Events, "ii") {
		t.Errorf("got %+v", reply)
	}
	if !strings.HasPrefix(got.Header.Get("X-Request-Id"), "req_") {
		t.Errorf("header %v", got.Header)
	}
	for i, link := range reply.Links {
		file := w.Call("GET", link, "", "Authorization", "")
		if file.Status != 200 || file.Header.Get("Content-Type") != "image/png" || !bytes.Equal(file.Body, coordtest.Picture(int64(5+i))) {
			t.Errorf("link %s: %d", link, file.Status)
		}
	}
}

func TestRoutes(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains)
	bound := w.NewKey(`{"name":"bound","dialect":"second"}`)
	free := w.NewKey(`{"name":"free"}`)
	for _, c := range []struct {
		name, method, path, key string
		status                  int
		who                     string
	}{
		{"the first has the path", "POST", "/v1/make", free, 400, "first"},
		{"the second behind its prefix", "POST", "/second/v1/make", free, 400, "second"},
		{"a bound key needs none", "POST", "/v1/make", bound, 400, "second"},
		{"a bound key may use it", "POST", "/second/v1/make", bound, 400, "second"},
		{"without a key", "POST", "/v1/make", "", 401, "first"},
		{"unknown below the root", "POST", "/v1/nothing", free, 404, "first"},
		{"unknown below the prefix", "POST", "/second/v1/nothing", free, 404, "second"},
		{"unknown below the prefix, shortly", "GET", "/second/x", free, 404, "second"},
		{"unknown with a bound key", "GET", "/v1/nothing", bound, 404, "second"},
		{"method", "PATCH", "/v1/make", free, 405, "first"},
		{"method behind the prefix", "PATCH", "/second/v1/make", free, 405, "second"},
		{"method with a bound key", "PATCH", "/v1/make", bound, 405, "second"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := c.key
			if key != "" {
				key = "Bearer " + key
			}
			got := w.Call(c.method, c.path, "", "Authorization", key)
			if got.Status != c.status || !strings.HasPrefix(string(got.Body), c.who+" says ") || got.Header.Get("X-Request-Id") == "" {
				t.Errorf("got %d %s %v", got.Status, got.Body, got.Header)
			}
			if c.status == 405 && got.Header.Get("Allow") != "POST" {
				t.Errorf("Allow %q", got.Header.Get("Allow"))
			}
		})
	}
	if got := w.Call("GET", "/nobody", ""); got.Status != 404 || got.Code() != api.CodeNotFound {
		t.Errorf("of nobody: %d %s", got.Status, got.Body)
	}
	if got := w.Call("GET", "/openapi/second.json", "", "Authorization", ""); got.Status != 200 || !strings.Contains(string(got.Body), "second") {
		t.Errorf("description: %d %s", got.Status, got.Body)
	}
	if got := w.Call("GET", "/openapi/third.json", "", "Authorization", ""); got.Status != 404 || !strings.Contains(coordtest.Message(t, got), "first, second") {
		t.Errorf("description of nobody: %d %s", got.Status, got.Body)
	}
}

func TestBrokenDialect(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains, func(c *coordinator.Config) { c.Log = slog.New(slog.DiscardHandler) })
	got := w.Call("POST", "/v1/break", "")
	if got.Status != 500 || !strings.HasPrefix(string(got.Body), "first says internal") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

func TestJobsOfOthersAreNotThere(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains)
	alice, bob := w.NewKey(`{"name":"alice"}`), w.NewKey(`{"name":"bob"}`)
	begun := w.Call("POST", "/v1/begin", `{"alias":"4711","job":{"prompt":"a red circle"}}`, "Authorization", "Bearer "+alice)
	id := coordtest.Decoded[coordtest.Reply](t, begun).Job.ID
	for _, c := range []struct {
		name, key, method, path string
		status                  int
	}{
		{"its owner", alice, "GET", "/v1/jobs/" + id, 200},
		{"its owner by alias", alice, "GET", "/v1/jobs/4711", 200},
		{"an admin", w.Key, "GET", "/v1/jobs/4711", 200},
		{"another dialect's alias", alice, "GET", "/second/v1/jobs/4711", 404},
		{"another dialect, by its id", alice, "GET", "/second/v1/jobs/" + id, 200},
		{"somebody else", bob, "GET", "/v1/jobs/" + id, 404},
		{"somebody else by alias", bob, "GET", "/v1/jobs/4711", 404},
		{"somebody else cancels", bob, "DELETE", "/v1/jobs/" + id, 404},
		{"natively", alice, "GET", "/easel/v1/jobs/" + id, 200},
		{"natively somebody else", bob, "GET", "/easel/v1/jobs/" + id, 404},
		{"somebody else explains", bob, "GET", "/easel/v1/jobs/" + id + "/explain", 404},
		{"somebody else follows", bob, "GET", "/easel/v1/jobs/" + id + "/events", 404},
		{"somebody else cancels natively", bob, "DELETE", "/easel/v1/jobs/" + id, 404},
		{"somebody else's picture", bob, "GET", "/easel/v1/jobs/" + id + "/images/0", 404},
	} {
		if got := w.Call(c.method, c.path, "", "Authorization", "Bearer "+c.key); got.Status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, got.Status, got.Body, c.status)
		}
	}
	if list := coordtest.Decoded[struct{ Jobs []api.Job }](t, w.Call("GET", "/easel/v1/jobs", "", "Authorization", "Bearer "+bob)).Jobs; len(list) != 0 {
		t.Errorf("somebody else's list: %v", list)
	}
	if got := w.Call("POST", "/v1/begin", `{"alias":"4711","job":{"prompt":"a"}}`, "Authorization", "Bearer "+alice); got.Status != 409 {
		t.Errorf("the alias again: %d %s", got.Status, got.Body)
	}
}

func TestAliasesOutliveTheCoordinator(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains)
	first := coordtest.Decoded[coordtest.Reply](t, w.Call("POST", "/v1/begin", `{"alias":"1","job":{"prompt":"a red circle"}}`, "Idempotency-Key", "k"))
	again := coordtest.Decoded[coordtest.Reply](t, w.Call("POST", "/v1/begin", `{"alias":"2","job":{"prompt":"a red circle"}}`, "Idempotency-Key", "k"))
	if first.Job.ID != again.Job.ID || !slices.Equal(first.Links, again.Links) {
		t.Fatalf("got %+v, then %+v", first, again)
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	w.Start(coordtest.Plains)
	for _, alias := range []string{"1", "2"} {
		if got := coordtest.Decoded[coordtest.Reply](t, w.Call("GET", "/v1/jobs/"+alias, "")); got.Job.ID != first.Job.ID {
			t.Errorf("alias %s is %+v", alias, got.Job)
		}
	}
}

// Catalogs and keys name dialects before there are any.
func TestVendorsHaveTheNamesOfTheirDialects(t *testing.T) {
	for _, vendor := range httpapi.Vendors {
		if got := vendor.New(nil).Name(); got != vendor.Name {
			t.Errorf("the dialect of %s is called %s", vendor.Name, got)
		}
	}
}
