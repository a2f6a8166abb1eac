package coordinator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
)

// newKey makes an API key.
func (w *world) newKey(body string) string {
	w.t.Helper()
	a := w.call("POST", "/easel/v1/keys", body)
	if a.status != 200 {
		w.t.Fatalf("key: %d %s", a.status, a.body)
	}
	return decoded[api.Key](w.t, a).Secret
}

// asking sends a request in the background.
func (w *world) asking(ctx context.Context, key, path, body string) <-chan answer {
	r, err := http.NewRequestWithContext(ctx, "POST", w.where.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	out := make(chan answer, 1)
	go func() {
		defer close(out)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return
		}
		defer response.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(response.Body); err == nil {
			out <- answer{response.StatusCode, response.Header, b.Bytes()}
		}
	}()
	return out
}

func TestDialectMakesAPicture(t *testing.T) {
	w := newWorld(t, withVendors)
	n := w.node()
	asked := w.asking(t.Context(), w.key, "/v1/make", `{"job":{"prompt":"a red circle","n":2,"seed":5}}`)
	a := n.assigned()
	n.progress(a.Attempt, 3)
	n.done(a)
	got, ok := <-asked
	if !ok || got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	reply := decoded[plainReply](t, got)
	if reply.Job.State != api.StateSucceeded || len(reply.Files) != 2 || !strings.HasSuffix(reply.Events, "ii") {
		t.Errorf("got %+v", reply)
	}
	if !strings.HasPrefix(got.header.Get("X-Request-Id"), "req_") {
		t.Errorf("header %v", got.header)
	}
	for i, link := range reply.Links {
		file := w.call("GET", link, "", "Authorization", "")
		if file.status != 200 || file.header.Get("Content-Type") != "image/png" || !bytes.Equal(file.body, picture(int64(5+i))) {
			t.Errorf("link %s: %d", link, file.status)
		}
	}
}

func TestRoutes(t *testing.T) {
	w := newWorld(t, withVendors)
	bound := w.newKey(`{"name":"bound","dialect":"second"}`)
	free := w.newKey(`{"name":"free"}`)
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
			got := w.call(c.method, c.path, "", "Authorization", key)
			if got.status != c.status || !strings.HasPrefix(string(got.body), c.who+" says ") || got.header.Get("X-Request-Id") == "" {
				t.Errorf("got %d %s %v", got.status, got.body, got.header)
			}
			if c.status == 405 && got.header.Get("Allow") != "POST" {
				t.Errorf("Allow %q", got.header.Get("Allow"))
			}
		})
	}
	if got := w.call("GET", "/nobody", ""); got.status != 404 || got.code() != api.CodeNotFound {
		t.Errorf("of nobody: %d %s", got.status, got.body)
	}
	if got := w.call("GET", "/openapi/second.json", "", "Authorization", ""); got.status != 200 || !strings.Contains(string(got.body), "second") {
		t.Errorf("description: %d %s", got.status, got.body)
	}
	if got := w.call("GET", "/openapi/third.json", "", "Authorization", ""); got.status != 404 || !strings.Contains(message(t, got), "first, second") {
		t.Errorf("description of nobody: %d %s", got.status, got.body)
	}
}

func TestBrokenDialect(t *testing.T) {
	w := newWorld(t, withVendors, func(c *Config) { c.Log = discard })
	got := w.call("POST", "/v1/break", "")
	if got.status != 500 || !strings.HasPrefix(string(got.body), "first says internal") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestRequestsThatAreNotReadHaveATime(t *testing.T) {
	v := &vendors{base: func(*http.Request) string { return "" }}
	for name, c := range map[string]struct {
		body   string
		handle http.HandlerFunc
		timed  bool
	}{
		"refused":     {"{}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, true},
		"not a word":  {"{}", func(http.ResponseWriter, *http.Request) {}, true},
		"flushed":     {"{}", func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }, true},
		"read":        {"{}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }, false},
		"read, quiet": {"{}", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, false},
		"no body":     {"", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := &timedWriter{ResponseRecorder: httptest.NewRecorder()}
			v.serving(nil, c.handle).ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(c.body)))
			if w.read.IsZero() == c.timed || !w.write.IsZero() && c.timed && !w.read.Before(w.write) {
				t.Errorf("reading ends at %v, writing at %v", w.read, w.write)
			}
		})
	}
}

func TestJobsOfOthersAreNotThere(t *testing.T) {
	w := newWorld(t, withVendors)
	alice, bob := w.newKey(`{"name":"alice"}`), w.newKey(`{"name":"bob"}`)
	begun := w.call("POST", "/v1/begin", `{"alias":"4711","job":{"prompt":"a red circle"}}`, "Authorization", "Bearer "+alice)
	id := decoded[plainReply](t, begun).Job.ID
	for _, c := range []struct {
		name, key, method, path string
		status                  int
	}{
		{"its owner", alice, "GET", "/v1/jobs/" + id, 200},
		{"its owner by alias", alice, "GET", "/v1/jobs/4711", 200},
		{"an admin", w.key, "GET", "/v1/jobs/4711", 200},
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
		if got := w.call(c.method, c.path, "", "Authorization", "Bearer "+c.key); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.status)
		}
	}
	if list := decoded[struct{ Jobs []api.Job }](t, w.call("GET", "/easel/v1/jobs", "", "Authorization", "Bearer "+bob)).Jobs; len(list) != 0 {
		t.Errorf("somebody else's list: %v", list)
	}
	if got := w.call("POST", "/v1/begin", `{"alias":"4711","job":{"prompt":"a"}}`, "Authorization", "Bearer "+alice); got.status != 409 {
		t.Errorf("the alias again: %d %s", got.status, got.body)
	}
}

func TestAliasesOutliveTheCoordinator(t *testing.T) {
	w := newWorld(t, withVendors)
	first := decoded[plainReply](t, w.call("POST", "/v1/begin", `{"alias":"1","job":{"prompt":"a red circle"}}`, "Idempotency-Key", "k"))
	again := decoded[plainReply](t, w.call("POST", "/v1/begin", `{"alias":"2","job":{"prompt":"a red circle"}}`, "Idempotency-Key", "k"))
	if first.Job.ID != again.Job.ID || !slices.Equal(first.Links, again.Links) {
		t.Fatalf("got %+v, then %+v", first, again)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.start(withVendors)
	for _, alias := range []string{"1", "2"} {
		if got := decoded[plainReply](t, w.call("GET", "/v1/jobs/"+alias, "")); got.Job.ID != first.Job.ID {
			t.Errorf("alias %s is %+v", alias, got.Job)
		}
	}
}

func TestFutureLinks(t *testing.T) {
	w := newWorld(t, withVendors)
	n := w.node()
	reply := decoded[plainReply](t, w.call("POST", "/v1/begin", `{"job":{"prompt":"a red circle","seed":3,"format":"webp"}}`))
	link := reply.Links[0]
	if !strings.Contains(link, "/images/0.webp?") {
		t.Errorf("link %s", link)
	}
	a := n.assigned()
	early := w.call("GET", link, "", "Authorization", "")
	if early.status != 404 || early.header.Get("Retry-After") == "" || early.header.Get("Cache-Control") != "no-store" {
		t.Errorf("before it is made: %d %s %v", early.status, early.body, early.header)
	}
	n.done(a)
	n.settled(a.Attempt)
	if got := w.call("GET", link, "", "Authorization", ""); got.status != 200 || !bytes.Equal(got.body, picture(3)) {
		t.Errorf("when it is made: %d", got.status)
	}
	if now := w.job(reply.Job.ID).Images[0].URL; now != link {
		t.Errorf("link %s, then %s", link, now)
	}
}

func TestClientThatGoesAway(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("kept %v", keep), func(t *testing.T) {
			w := newWorld(t, withVendors, func(c *Config) { c.KeepAbandoned = keep })
			n := w.node()
			ctx, leave := context.WithCancel(t.Context())
			asked := w.asking(ctx, w.key, "/v1/make", `{"job":{"prompt":"a red circle"}}`)
			a := n.assigned()
			leave()
			<-asked
			if keep {
				n.done(a)
				w.reach(a.Job, in(api.StateSucceeded))
				return
			}
			w.reach(a.Job, in(api.StateCanceled))
			n.await(func(m api.CoordinatorMessage) bool { return m.Cancel != nil && m.Cancel.Attempt == a.Attempt })
		})
	}
}

func TestStoppingDoesNotCancelWhatIsWaitedFor(t *testing.T) {
	w := newWorld(t, withVendors)
	n := w.node()
	asked := w.asking(t.Context(), w.key, "/v1/make", `{"job":{"prompt":"a red circle"}}`)
	a := n.assigned()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got.status != 503 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	w.start(withVendors)
	if job := w.job(a.Job); job.State.Terminal() {
		t.Errorf("the job is %s", job.State)
	}
}

func TestCancelQueued(t *testing.T) {
	w := newWorld(t, withVendors)
	n := w.node()
	alice := w.newKey(`{"name":"alice"}`)
	begin := func(key string) string {
		return decoded[plainReply](t, w.call("POST", "/v1/begin", `{"job":{"prompt":"a red circle"}}`, "Authorization", "Bearer "+key)).Job.ID
	}
	running := begin(alice)
	n.assigned()
	waiting, others := []string{begin(alice), begin(alice)}, begin(w.key)
	if got := w.call("DELETE", "/v1/jobs", "", "Authorization", "Bearer "+alice); strings.TrimSpace(string(got.body)) != "2" {
		t.Errorf("canceled %s", got.body)
	}
	for _, id := range waiting {
		if state := w.job(id).State; state != api.StateCanceled {
			t.Errorf("job %s is %s", id, state)
		}
	}
	for _, id := range []string{running, others} {
		if state := w.job(id).State; state.Terminal() {
			t.Errorf("job %s is %s", id, state)
		}
	}
}

func TestAliasesGoWithTheirJobs(t *testing.T) {
	s, a := sharedStore(t)
	j := newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
	const records = 30 * 24 * time.Hour
	sweeper := &sweeper{jobs: j, artifacts: a, log: discard, images: records, records: records}
	submit := func(alias string) string {
		job, err := j.submit(t.Context(), submission{spec: api.ImageSpec{Model: "shapes", N: 1}, dialect: "first", alias: alias})
		if err != nil {
			t.Fatal(err)
		}
		return job.ID
	}
	over, open := submit("over"), submit("open")
	if _, err := j.change(t.Context(), over, func(r *record) error { return r.cancel() }); err != nil {
		t.Fatal(err)
	}
	if _, err := sweeper.sweep(t.Context(), time.Now().Add(2*records)); err != nil {
		t.Fatal(err)
	}
	for alias, want := range map[string]string{"over": "", "open": open} {
		if got, err := j.unalias(t.Context(), "first", alias); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", alias, got, err, want)
		}
	}
}

// A client may hand back what it was given, whatever host name it reached us by.
func TestARefusedJobLeavesNoAlias(t *testing.T) {
	s, a := sharedStore(t)
	j := newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
	over := &api.Error{Code: api.CodeQuotaExceeded, Message: "over"}
	order := submission{spec: api.ImageSpec{Model: "shapes", N: 1}, dialect: "first", alias: "7", admit: func() error { return over }}
	if _, err := j.submit(t.Context(), order); err != over {
		t.Fatalf("got %v", err)
	}
	if id, err := j.unalias(t.Context(), "first", "7"); id != "" || err != nil {
		t.Errorf("the alias is of %q, %v", id, err)
	}
	order.admit = func() error { return nil }
	job, err := j.submit(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := j.unalias(t.Context(), "first", "7"); id != job.ID || err != nil {
		t.Errorf("the alias is of %q, %v", id, err)
	}
}

func TestOwnLinksAreReadFromWhereTheyAre(t *testing.T) {
	w := newWorld(t, withVendors, func(c *Config) { c.PublicURL = "http://images.invalid/" })
	n := w.node()
	link := decoded[plainReply](t, w.call("POST", "/v1/begin", `{"job":{"prompt":"a red circle","seed":3}}`)).Links[0]
	if !strings.HasPrefix(link, "http://images.invalid/easel/v1/jobs/") {
		t.Errorf("link %s", link)
	}
	a := n.assigned()
	n.done(a)
	n.settled(a.Attempt)
	if got := w.call("POST", "/v1/fetch", link); got.status != 200 || !bytes.Equal(got.body, picture(3)) {
		t.Errorf("its own: %d %.100s", got.status, got.body)
	}
	for name, address := range map[string]string{
		"another signature": strings.Replace(link, "signature=", "signature=0", 1),
		"our own address":   w.where.URL + "/healthz",
		"a file":            "file:///etc/passwd",
	} {
		if got := w.call("POST", "/v1/fetch", address); got.status != 400 || !strings.HasPrefix(string(got.body), "first says invalid_request") {
			t.Errorf("%s: %d %.100s", name, got.status, got.body)
		}
	}
}
