package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/httpapi"
	"github.com/easelgrid/easel/coordinator/intake"
	"github.com/easelgrid/easel/coordinator/store"
)

// reporting is a dialect with webhooks.
type reporting struct{ dialect.Dialect }

func (reporting) Notification(job api.Job, hook dialect.Webhook, url func(int) string) (any, error) {
	if job.Spec.Prompt == "unspeakable" {
		return nil, errors.New("no words")
	}
	return map[string]any{"id": hook.ID, "track": hook.TrackID, "state": job.State, "link": url(0), "prompt": job.Spec.Prompt}, nil
}

// withWebhooks mounts a dialect with webhooks and one without, and lets them lead to this machine.
func withWebhooks(c *coordinator.Config) {
	first := coordtest.Plain("first", "")
	c.Vendors = []httpapi.Vendor{
		{Name: "first", New: func(s *intake.Service) dialect.Dialect { return reporting{first.New(s)} }},
		coordtest.Plain("second", "/second"),
	}
	c.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

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
	r.url = server.URL + "/hook"
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

// next waits for the next webhook that arrives.
func (r *receiver) next(t *testing.T) received {
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
func begin(t *testing.T, w *coordtest.World, path, hook, prompt string) api.Job {
	t.Helper()
	a := w.Call("POST", path, fmt.Sprintf(`{"Job":{"prompt":%q},"Hook":{"URL":%q,"TrackID":"track 7"}}`, prompt, hook))
	if a.Status != http.StatusOK {
		t.Fatalf("begin: %d %s", a.Status, a.Body)
	}
	return coordtest.Decoded[coordtest.Reply](t, a).Job
}

// ended waits until the job's webhook has ended.
func ended(t *testing.T, w *coordtest.World, id string) api.Delivery {
	t.Helper()
	w.Log.Await(t, "webhook ended", id)
	return *w.Job(id).Webhook
}

// verify checks a signature as the documentation asks receivers to.
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

func TestWebhooksReportHowJobsEnd(t *testing.T) {
	w := coordtest.New(t, withWebhooks)
	n := w.Node()
	secret := coordtest.Decoded[map[string]string](t, w.Call("GET", "/easel/v1/webhooks/secret", ""))["secret"]
	for _, test := range []struct {
		name, path string
		end        func(job api.Job, a api.Assign)
		state      api.State
	}{
		{"succeeded", "/v1/begin", func(_ api.Job, a api.Assign) { n.Done(a); n.Settled(a.Attempt) }, api.StateSucceeded},
		{"failed", "/v1/begin", func(_ api.Job, a api.Assign) { n.Fail(a.Attempt, api.CodeUnsupported); n.Settled(a.Attempt) }, api.StateFailed},
		{"in the native form", "/second/v1/begin", func(_ api.Job, a api.Assign) { n.Done(a); n.Settled(a.Attempt) }, api.StateSucceeded},
		{"canceled", "/v1/begin", func(j api.Job, _ api.Assign) { w.Call("DELETE", "/easel/v1/jobs/"+j.ID, "") }, api.StateCanceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newReceiver(t, always(204))
			job := begin(t, w, test.path, r.url, "a red circle")
			if job.Webhook == nil || job.Webhook.State != api.DeliveryPending {
				t.Errorf("at first: %+v", job.Webhook)
			}
			test.end(job, n.Assigned())
			got := r.next(t)
			if err := verify(secret, got, time.Now()); err != nil {
				t.Error(err)
			}
			if got.header.Get("Easel-Webhook-Id") != job.ID || got.header.Get("Content-Type") != "application/json" || got.header.Get("Authorization") != "" {
				t.Errorf("header: %v", got.header)
			}
			var link string
			if test.path == "/v1/begin" {
				body := coordtest.Decoded[map[string]string](t, coordtest.Answer{Body: got.body})
				if body["id"] != job.ID || body["track"] != "track 7" || body["state"] != string(test.state) {
					t.Errorf("body: %s", got.body)
				}
				link = body["link"]
			} else {
				body := coordtest.Decoded[map[string]api.Job](t, coordtest.Answer{Body: got.body})["job"]
				if body.ID != job.ID || body.State != test.state || len(body.Images) != 1 {
					t.Fatalf("body: %s", got.body)
				}
				link = body.Images[0].URL
			}
			if test.state == api.StateSucceeded {
				if image := w.Call("GET", link, "", "Authorization", ""); image.Status != 200 {
					t.Errorf("its link: %d %s", image.Status, image.Body)
				}
			}
			if end := ended(t, w, job.ID); end.State != api.DeliveryDelivered || end.Tries != 1 {
				t.Errorf("in the end: %+v", end)
			}
		})
	}
}

func TestWebhooksAreTriedAgain(t *testing.T) {
	w := coordtest.New(t, withWebhooks)
	n := w.Node()
	r := newReceiver(t, func(try int) int { return map[int]int{1: 500, 2: 404, 3: 302}[try] + map[bool]int{true: 200}[try > 3] })
	job := begin(t, w, "/v1/begin", r.url, "a red circle")
	n.Done(n.Assigned())
	first := r.next(t)
	for range 3 {
		again := r.next(t)
		if string(again.body) != string(first.body) || again.header.Get("Easel-Webhook-Id") != job.ID {
			t.Errorf("another: %s", again.body)
		}
	}
	if end := ended(t, w, job.ID); end.State != api.DeliveryDelivered || end.Tries != 4 {
		t.Errorf("in the end: %+v", end)
	}
}

func TestRestartGoesOnWithWebhooks(t *testing.T) {
	w := coordtest.New(t, withWebhooks)
	n := w.Node()
	r := newReceiver(t, always(503))
	job := begin(t, w, "/v1/begin", r.url, "a red circle")
	n.Done(n.Assigned())
	r.next(t)
	r.next(t)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	r.answer(200)
	w.Start(withWebhooks)
	if end := ended(t, w, job.ID); end.State != api.DeliveryDelivered || end.Tries < 3 {
		t.Errorf("in the end: %+v", end)
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	s, err := store.Embedded(t.Context(), w.Dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pending, err := store.Open[map[string]any](t.Context(), s, "webhooks", 0)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := pending.All(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestWebhooksThatAreRefused(t *testing.T) {
	w := coordtest.New(t, coordtest.Plains)
	for _, hook := range []string{
		"http://127.0.0.1/", "http://169.254.169.254/latest", "http://[::1]/", "ftp://example.com/", "http://user:secret@example.com/", "nowhere", "http://10.0.0.1:8080/x",
	} {
		a := w.Call("POST", "/v1/begin", fmt.Sprintf(`{"Job":{"prompt":"a red circle"},"Hook":{"URL":%q}}`, hook))
		if a.Status != 400 || !strings.Contains(string(a.Body), "webhook: got ") || strings.Contains(string(a.Body), "secret") {
			t.Errorf("%s: %d %s", hook, a.Status, a.Body)
		}
	}
}

func TestWebhookSecretsAreOfKeys(t *testing.T) {
	w := coordtest.New(t)
	secret := func(key string) string {
		return coordtest.Decoded[map[string]string](t, w.Call("GET", "/easel/v1/webhooks/secret", "", "Authorization", "Bearer "+key))["secret"]
	}
	other := w.NewKey(`{"name":"other"}`)
	mine, theirs := secret(w.Key), secret(other)
	if mine == theirs || mine != secret(w.Key) || !strings.HasPrefix(mine, "whsec_") || len(mine) != 70 {
		t.Errorf("%q and %q", mine, theirs)
	}
	if a := w.Call("GET", "/easel/v1/webhooks/secret", "", "Authorization", ""); a.Status != 401 {
		t.Errorf("without a key: %d", a.Status)
	}
}
