package coordinator

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/outward"
)

// telling is a dialect with webhooks.
type telling struct{ dialect.Dialect }

func (telling) Notification(job api.Job, hook dialect.Webhook, url func(int) string) (any, error) {
	if job.Spec.Prompt == "unspeakable" {
		return nil, errors.New("no words")
	}
	return map[string]any{"id": hook.ID, "track": hook.TrackID, "state": job.State, "link": url(0), "prompt": job.Spec.Prompt}, nil
}

// withWebhooks mounts a dialect with webhooks and one without, and lets them lead to this machine.
func withWebhooks(c *Config) {
	c.vendors = []func(dialect.Service) dialect.Dialect{
		func(s dialect.Service) dialect.Dialect { return telling{plainDialect("first", "")(s)} },
		plainDialect("second", "/second"),
	}
	c.AllowPrivate = loopback
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// A receiver is a server that webhooks are sent to.
type receiver struct {
	url string
	got chan received

	mu     sync.Mutex
	status func(try int) int
	tries  int
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, status func(try int) int) *receiver {
	r := &receiver{got: make(chan received, 1000), status: status}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL + "/told"
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	r.tries++
	status := r.status(r.tries)
	r.mu.Unlock()
	r.got <- received{request.Header, body}
	w.WriteHeader(status)
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = func(int) int { return status }
}

func always(status int) func(int) int { return func(int) int { return status } }

// told waits for the next webhook that arrives.
func (r *receiver) told(t *testing.T) received {
	t.Helper()
	select {
	case got := <-r.got:
		return got
	case <-t.Context().Done():
		t.Fatal("nothing arrived")
		return received{}
	}
}

// begin submits a job with a webhook.
func (w *world) begin(path, hook, prompt string) api.Job {
	w.t.Helper()
	a := w.call("POST", path, fmt.Sprintf(`{"Job":{"prompt":%q},"Hook":{"URL":%q,"TrackID":"track 7"}}`, prompt, hook))
	if a.status != http.StatusOK {
		w.t.Fatalf("begin: %d %s", a.status, a.body)
	}
	return decoded[plainReply](w.t, a).Job
}

// webhook waits until the job's webhook has ended.
func (w *world) webhook(id string) api.Delivery {
	w.t.Helper()
	for {
		if job := w.job(id); job.Webhook == nil || job.Webhook.State != api.DeliveryPending {
			return *job.Webhook
		}
	}
}

// verify checks a signature as the documentation tells receivers to.
func verify(secret string, got received, now time.Time) error {
	var at int64
	var signature []byte
	for part := range strings.SplitSeq(got.header.Get("Easel-Signature"), ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "t":
			at, _ = strconv.ParseInt(value, 10, 64)
		case "v1":
			signature, _ = hex.DecodeString(value)
		}
	}
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at, got.body)
	if !hmac.Equal(mac.Sum(nil), signature) {
		return errors.New("the signature does not match")
	}
	if age := now.Sub(time.Unix(at, 0)).Abs(); age > 5*time.Minute {
		return fmt.Errorf("it is %s old", age)
	}
	return nil
}

func TestWebhooksTellHowJobsEnd(t *testing.T) {
	w := newWorld(t, withWebhooks)
	n := w.node()
	secret := decoded[map[string]string](t, w.call("GET", "/easel/v1/webhooks/secret", ""))["secret"]
	for _, test := range []struct {
		name, path string
		end        func(job api.Job, a api.Assign)
		state      api.State
	}{
		{"succeeded", "/v1/begin", func(_ api.Job, a api.Assign) { n.done(a); n.settled(a.Attempt) }, api.StateSucceeded},
		{"failed", "/v1/begin", func(_ api.Job, a api.Assign) { n.fail(a.Attempt, api.CodeUnsupported); n.settled(a.Attempt) }, api.StateFailed},
		{"in the native form", "/second/v1/begin", func(_ api.Job, a api.Assign) { n.done(a); n.settled(a.Attempt) }, api.StateSucceeded},
		{"canceled", "/v1/begin", func(j api.Job, _ api.Assign) { w.call("DELETE", "/easel/v1/jobs/"+j.ID, "") }, api.StateCanceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newReceiver(t, always(204))
			job := w.begin(test.path, r.url, "a red circle")
			if job.Webhook == nil || job.Webhook.State != api.DeliveryPending {
				t.Errorf("at first: %+v", job.Webhook)
			}
			test.end(job, n.assigned())
			got := r.told(t)
			if err := verify(secret, got, time.Now()); err != nil {
				t.Error(err)
			}
			if got.header.Get("Easel-Webhook-Id") != job.ID || got.header.Get("Content-Type") != "application/json" || got.header.Get("Authorization") != "" {
				t.Errorf("header: %v", got.header)
			}
			var link string
			if test.path == "/v1/begin" {
				body := decoded[map[string]string](t, answer{body: got.body})
				if body["id"] != job.ID || body["track"] != "track 7" || body["state"] != string(test.state) {
					t.Errorf("body: %s", got.body)
				}
				link = body["link"]
			} else {
				body := decoded[map[string]api.Job](t, answer{body: got.body})["job"]
				if body.ID != job.ID || body.State != test.state || len(body.Images) != 1 {
					t.Fatalf("body: %s", got.body)
				}
				link = body.Images[0].URL
			}
			if test.state == api.StateSucceeded {
				if image := w.call("GET", link, "", "Authorization", ""); image.status != 200 {
					t.Errorf("its link: %d %s", image.status, image.body)
				}
			}
			if end := w.webhook(job.ID); end.State != api.DeliveryDelivered || end.Tries != 1 {
				t.Errorf("in the end: %+v", end)
			}
		})
	}
}

func TestWebhooksAreTriedAgain(t *testing.T) {
	w := newWorld(t, withWebhooks)
	n := w.node()
	r := newReceiver(t, func(try int) int { return map[int]int{1: 500, 2: 404, 3: 302}[try] + map[bool]int{true: 200}[try > 3] })
	job := w.begin("/v1/begin", r.url, "a red circle")
	n.done(n.assigned())
	first := r.told(t)
	for range 3 {
		again := r.told(t)
		if string(again.body) != string(first.body) || again.header.Get("Easel-Webhook-Id") != job.ID {
			t.Errorf("another: %s", again.body)
		}
	}
	if end := w.webhook(job.ID); end.State != api.DeliveryDelivered || end.Tries != 4 {
		t.Errorf("in the end: %+v", end)
	}
}

func TestRestartGoesOnWithWebhooks(t *testing.T) {
	w := newWorld(t, withWebhooks)
	n := w.node()
	r := newReceiver(t, always(503))
	job := w.begin("/v1/begin", r.url, "a red circle")
	n.done(n.assigned())
	r.told(t)
	r.told(t)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	r.answer(200)
	w.start(withWebhooks)
	if end := w.webhook(job.ID); end.State != api.DeliveryDelivered || end.Tries < 3 {
		t.Errorf("in the end: %+v", end)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	s, err := openStorage(t.Context(), w.dir, discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if left, err := s.webhooks.all(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// What a sudden end leaves in every gap between two writes.
func TestWebhooksOutliveSuddenEnds(t *testing.T) {
	for _, test := range []struct {
		name  string
		leave func(t *testing.T, s *storage, id string)
		sent  bool
	}{
		{"settled, and nothing noted", func(*testing.T, *storage, string) {}, true},
		{"settled and noted, still in the queue", func(t *testing.T, s *storage, id string) {
			if _, err := s.webhooks.create(t.Context(), id, dueWebhook{URL: "", Since: time.Now(), Tries: 2}); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"delivered, and still noted", func(t *testing.T, s *storage, id string) {
			r, revision, err := s.jobs.load(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			r.Job.Webhook = &api.Delivery{State: api.DeliveryDelivered, Tries: 9}
			if _, err = s.jobs.update(t.Context(), id, r, revision); err != nil {
				t.Fatal(err)
			}
			if _, err := s.webhooks.create(t.Context(), id, dueWebhook{Since: time.Now(), Tries: 9}); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, withWebhooks)
			r := newReceiver(t, always(200))
			job := w.begin("/v1/begin", r.url, "a red circle")
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			s, err := openStorage(t.Context(), w.dir, discard)
			if err != nil {
				t.Fatal(err)
			}
			settled, revision, err := s.jobs.load(t.Context(), job.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := settled.cancel(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.jobs.update(t.Context(), job.ID, settled, revision); err != nil {
				t.Fatal(err)
			}
			test.leave(t, s, job.ID)
			s.close()
			w.start(withWebhooks)
			if end := w.webhook(job.ID); end.State != api.DeliveryDelivered {
				t.Errorf("in the end: %+v", end)
			}
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			if len(r.got) != map[bool]int{true: 1}[test.sent] {
				t.Errorf("sent %d times", len(r.got))
			}
		})
	}
}

func TestWebhooksThatAreRefused(t *testing.T) {
	w := newWorld(t, withVendors)
	for _, hook := range []string{
		"http://127.0.0.1/", "http://169.254.169.254/latest", "http://[::1]/", "ftp://example.com/", "http://user:secret@example.com/", "nowhere", "http://10.0.0.1:8080/x",
	} {
		a := w.call("POST", "/v1/begin", fmt.Sprintf(`{"Job":{"prompt":"a red circle"},"Hook":{"URL":%q}}`, hook))
		if a.status != 400 || !strings.Contains(string(a.body), "webhook: got ") || strings.Contains(string(a.body), "secret") {
			t.Errorf("%s: %d %s", hook, a.status, a.body)
		}
	}
}

func TestWebhookSecretsAreOfKeys(t *testing.T) {
	w := newWorld(t)
	secret := func(key string) string {
		return decoded[map[string]string](t, w.call("GET", "/easel/v1/webhooks/secret", "", "Authorization", "Bearer "+key))["secret"]
	}
	other := w.newKey(`{"name":"other"}`)
	mine, theirs := secret(w.key), secret(other)
	if mine == theirs || mine != secret(w.key) || !strings.HasPrefix(mine, "whsec_") || len(mine) != 70 {
		t.Errorf("%q and %q", mine, theirs)
	}
	if a := w.call("GET", "/easel/v1/webhooks/secret", "", "Authorization", ""); a.status != 401 {
		t.Errorf("without a key: %d", a.status)
	}
}

// newHooks is what delivers over a real store, with one settled job.
func newHooks(t *testing.T, address, prompt string) (*webhooks, *delivery) {
	s, a := sharedStore(t)
	j := newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
	h := &webhooks{
		bucket: &s.webhooks, jobs: j, client: new(outward.Client), log: discard, line: newDeliveries(),
		body: func(r record) ([]byte, error) { return []byte(r.Job.Spec.Prompt), nil },
	}
	t.Cleanup(h.client.Close)
	j.settled = h.settled
	job, err := j.submit(t.Context(), submission{
		spec: api.ImageSpec{Model: "shapes", N: 1, Prompt: prompt}, owner: "me", webhook: &dialect.Webhook{URL: address},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.change(t.Context(), job.ID, (*record).cancel); err != nil {
		t.Fatal(err)
	}
	return h, h.line.byJob[job.ID]
}

func TestWebhooksNeverReachPrivateAddresses(t *testing.T) {
	r := newReceiver(t, always(200))
	h, d := newHooks(t, strings.Replace(r.url, "127.0.0.1", "localhost", 1), "x")
	h.deliver(t.Context(), d)
	due, _, err := h.bucket.load(t.Context(), d.job)
	if err != nil || due.Tries != 1 || !strings.Contains(due.Error, "not public") {
		t.Errorf("noted: %+v %v", due, err)
	}
	if len(r.got) != 0 {
		t.Error("reached")
	}
}

func TestWebhooksEnd(t *testing.T) {
	for _, test := range []struct {
		name, prompt string
		since        time.Duration
		want         string
	}{
		{"too large", strings.Repeat("x", maxWebhookBody+1), 0, "a body of 1048577 bytes"},
		{"too old", "x", webhookTime, "refused connection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			closed := httptest.NewServer(nil)
			closed.Close()
			h, d := newHooks(t, closed.URL, test.prompt[:1])
			h.client = &outward.Client{AllowPrivate: loopback}
			defer h.client.Close()
			h.body = func(record) ([]byte, error) { return []byte(test.prompt), nil }
			d.due.Since = time.Now().Add(-test.since)
			h.deliver(t.Context(), d)
			_, job, _, err := h.jobs.find(t.Context(), d.job)
			if err != nil || job.Webhook.State != api.DeliveryGivenUp || job.Webhook.Tries != 1 || !strings.Contains(job.Webhook.Error, test.want) {
				t.Errorf("%+v %v", job.Webhook, err)
			}
			if _, _, err := h.bucket.load(t.Context(), d.job); !errors.Is(err, errMissing) || !d.ended {
				t.Errorf("it stays: %v", err)
			}
		})
	}
}

func TestPendingWebhooksOfAKeyAreLimited(t *testing.T) {
	h := &webhooks{client: new(outward.Client), line: newDeliveries()}
	defer h.client.Close()
	hook := &dialect.Webhook{URL: "https://example.com/"}
	for i := range maxPendingWebhooks {
		if err := h.admit("me", hook); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		h.line.add(&delivery{job: fmt.Sprint(i), due: dueWebhook{Owner: "me"}})
	}
	err := h.admit("me", hook)
	if told := api.AsError(err, ""); told.Code != api.CodeRateLimited || told.RetryAfter < 1 {
		t.Errorf("one more: %v", err)
	}
	if err := h.admit("another", hook); err != nil {
		t.Errorf("another key: %v", err)
	}
	if err := h.admit("me", nil); err != nil {
		t.Errorf("without a webhook: %v", err)
	}
}

// A day of failures: the pauses double from 100 ms to 10 min, each up to a quarter shorter.
func TestWebhookPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newDeliveries()
		start := time.Now()
		var at []time.Time
		l.add(&delivery{job: "a", due: dueWebhook{Since: start, Next: start}})
		l.run(ctx, func(_ context.Context, d *delivery) {
			at = append(at, time.Now())
			d.due.Tries++
			d.due.Next = time.Now().Add(webhookPause(d.due.Tries))
			if d.due.Next.Sub(d.due.Since) > webhookTime {
				d.ended = true
				cancel()
			}
		})
		want := firstPause
		for i := 1; i < len(at); i++ {
			if pause := at[i].Sub(at[i-1]); pause > want || pause < want-want/4 {
				t.Errorf("pause %d is %s, want about %s", i, pause, want)
			}
			want = min(2*want, longestPause)
		}
		if len(at) < 150 || len(at) > 210 || len(l.byJob) != 0 {
			t.Errorf("%d tries in a day, %d pending", len(at), len(l.byJob))
		}
		if total := at[len(at)-1].Sub(start); total > webhookTime || total < webhookTime-longestPause {
			t.Errorf("given up after %s", total)
		}
	})
}

// One host that does not answer leaves room for the others.
func TestOneSlowHostLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newDeliveries()
		for i := range 50 {
			l.add(&delivery{job: fmt.Sprintf("slow %02d", i), due: dueWebhook{URL: "http://slow.example/"}})
			l.add(&delivery{job: fmt.Sprintf("z %02d", i), due: dueWebhook{URL: fmt.Sprintf("http://%d.example/", i)}})
		}
		var mu sync.Mutex
		now, most, done := map[string]int{}, 0, map[string]int{}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.run(ctx, func(ctx context.Context, d *delivery) {
				slow := strings.HasPrefix(d.job, "slow")
				kind := map[bool]string{true: "slow", false: "other"}[slow]
				mu.Lock()
				now[kind]++
				most = max(most, now["slow"]+now["other"])
				if now["slow"] > sendingToOne {
					t.Errorf("%d to one host at once", now["slow"])
				}
				mu.Unlock()
				if slow {
					<-ctx.Done()
				} else {
					time.Sleep(time.Second)
				}
				mu.Lock()
				now[kind]--
				done[kind]++
				mu.Unlock()
				d.ended = true
			})
		}()
		time.Sleep(10 * time.Second)
		mu.Lock()
		if done["other"] != 50 || done["slow"] != 0 || most != sendingAtOnce {
			t.Errorf("done %v, at most %d at once", done, most)
		}
		mu.Unlock()
		cancel()
		<-ended
	})
}
