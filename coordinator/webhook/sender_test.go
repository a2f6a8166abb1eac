package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/job/jobtest"
	"github.com/easelgrid/easel/coordinator/outward"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/coordinator/store/storetest"
)

// newSender makes what delivers, over a real store, with one settled job.
func newSender(t *testing.T, client *outward.Client, address string, body []byte) (*Sender, *delivery) {
	s, a := storetest.Open(t), artifacttest.Open(t, "")
	t.Cleanup(client.Close)
	o, err := OpenOutbox(t.Context(), s, client)
	if err != nil {
		t.Fatal(err)
	}
	j := jobtest.Open(t, s, a, o)
	submitted, err := j.Submit(t.Context(), job.Submission{
		Spec: api.ImageSpec{Model: "shapes", N: 1}, Owner: "me", Webhook: &api.Webhook{URL: address},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Cancel(t.Context(), submitted.ID); err != nil {
		t.Fatal(err)
	}
	report := func(job.Record) ([]byte, error) { return body, nil }
	return NewSender(o, j, NewSigner(nil), report, slog.New(slog.DiscardHandler)), o.line.byJob[submitted.ID]
}

func TestWebhooksNeverReachPrivateAddresses(t *testing.T) {
	reached := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
	t.Cleanup(server.Close)
	s, d := newSender(t, new(outward.Client), strings.Replace(server.URL, "127.0.0.1", "localhost", 1), []byte("x"))
	s.deliver(t.Context(), d)
	noted, _, err := s.outbox.records.Get(t.Context(), d.job)
	if err != nil || noted.Tries != 1 || !strings.Contains(noted.Error, "not public") {
		t.Errorf("noted: %+v %v", noted, err)
	}
	if len(reached) != 0 {
		t.Error("reached")
	}
}

func TestWebhooksEnd(t *testing.T) {
	for _, test := range []struct {
		name, body string
		since      time.Duration
		want       string
	}{
		{"too large", strings.Repeat("x", maxBody+1), 0, "a body of 1048577 bytes"},
		{"too old", "x", giveUpAfter, "refused connection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			closed := httptest.NewServer(nil)
			closed.Close()
			loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
			s, d := newSender(t, &outward.Client{AllowPrivate: loopback}, closed.URL, []byte(test.body))
			d.due.Since = time.Now().Add(-test.since)
			s.deliver(t.Context(), d)
			found, err := s.jobs.Find(t.Context(), d.job)
			if err != nil || found.Job.Webhook.State != api.DeliveryGivenUp || found.Job.Webhook.Tries != 1 || !strings.Contains(found.Job.Webhook.Error, test.want) {
				t.Errorf("%+v %v", found.Job.Webhook, err)
			}
			if _, _, err := s.outbox.records.Get(t.Context(), d.job); !errors.Is(err, store.ErrMissing) || !d.ended {
				t.Errorf("it stays: %v", err)
			}
		})
	}
}

func TestPendingWebhooksOfAKeyAreLimited(t *testing.T) {
	o := &Outbox{client: new(outward.Client), line: newLine()}
	defer o.client.Close()
	hook := &api.Webhook{URL: "https://example.com/"}
	for i := range maxPending {
		if err := o.Admit("me", hook); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		o.line.add(&delivery{job: fmt.Sprint(i), due: due{Owner: "me"}})
	}
	err := o.Admit("me", hook)
	if answer := api.AsError(err, ""); answer.Code != api.CodeRateLimited || answer.RetryAfter < 1 {
		t.Errorf("one more: %v", err)
	}
	if err := o.Admit("another", hook); err != nil {
		t.Errorf("another key: %v", err)
	}
	if err := o.Admit("me", nil); err != nil {
		t.Errorf("without a webhook: %v", err)
	}
}
