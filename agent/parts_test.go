package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/easelgrid/easel/api"
)

var discard = slog.New(slog.DiscardHandler)

func TestBackoffStaysUnderItsCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff{base: 500 * time.Millisecond, limit: 30 * time.Second}
		for i, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
			if got := b.ceiling(); got != want {
				t.Errorf("failure %d: ceiling %s, want %s", i, got, want)
			}
			began := time.Now()
			b.wait(t.Context())
			if took := time.Since(began); took > want {
				t.Errorf("failure %d: waited %s, want at most %s", i, took, want)
			}
		}
		b.reset()
		began := time.Now()
		b.waitFull(t.Context())
		if took := time.Since(began); took != b.base {
			t.Errorf("after reset: waited %s, want %s", took, b.base)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		b.waitFull(ctx)
		if time.Since(began) != 0 {
			t.Error("a wait goes on after its context ended")
		}
	})
}

func TestLeaseExpiresOnceAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var expired []time.Duration
		began := time.Now()
		l := newLease(func() { expired = append(expired, time.Since(began)) })
		go l.run(ctx)
		sleep(ctx, time.Hour)
		if len(expired) > 0 {
			t.Error("a lease that never began expired")
		}
		began = time.Now()
		for range 4 {
			l.renew(ctx, 30*time.Second)
			sleep(ctx, 20*time.Second)
		}
		sleep(ctx, time.Hour)
		synctest.Wait()
		if len(expired) != 1 || expired[0] != 90*time.Second {
			t.Errorf("expired at %v, want once at 1m30s: a lease after the last beat", expired)
		}
		cancel()
	})
}

func TestOutboxPutsResultsBeforePictures(t *testing.T) {
	o := newOutbox()
	a := api.Attempt{Job: "a", Number: 1}
	for step := range 3 {
		o.put(api.NodeMessage{Preview: &api.Previewed{Attempt: a, Step: step}})
		o.put(api.NodeMessage{Progress: &api.Progressed{Attempt: a, Progress: api.Progress{Step: step}}})
	}
	o.put(api.NodeMessage{Heartbeat: &api.Heartbeat{}})
	o.put(api.NodeMessage{Accept: &api.Accept{Attempt: a}})
	var order []string
	for range 4 {
		m, err := o.take()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case m.Heartbeat != nil:
			order = append(order, "heartbeat")
		case m.Accept != nil:
			order = append(order, "accept")
		case m.Progress != nil && m.Progress.Progress.Step == 2:
			order = append(order, "newest progress")
		case m.Preview != nil && m.Preview.Step == 2:
			order = append(order, "newest preview")
		}
	}
	if got := strings.Join(order, ", "); got != "heartbeat, accept, newest progress, newest preview" {
		t.Errorf("order: %s", got)
	}
	o.put(api.NodeMessage{Leaving: &api.Leaving{}})
	o.close()
	o.put(api.NodeMessage{Heartbeat: &api.Heartbeat{}})
	if m, err := o.take(); err != nil || m.Leaving == nil {
		t.Errorf("what was put before close: %+v, %v", m, err)
	}
	if _, err := o.take(); !errors.Is(err, errClosed) {
		t.Errorf("after close: %v, want errClosed", err)
	}
}

func TestOutboxThatNobodyEmptiesEndsTheSession(t *testing.T) {
	o := newOutbox()
	for range outboxLimit + 1 {
		o.put(api.NodeMessage{Heartbeat: &api.Heartbeat{}})
	}
	for range outboxLimit {
		if _, err := o.take(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.take(); !errors.Is(err, errOverflow) {
		t.Errorf("got %v, want errOverflow", err)
	}
}

func TestSpoolAfterARestart(t *testing.T) {
	s, err := openSpool(t.TempDir(), discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.create(assignment("interrupted", "a red circle")); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"empty-1": "", "garbage-1": "{", "moved-1": `{"stage":"running","assign":{"job":"other","attempt":1}}`,
		"incomplete-1": `{"stage":"done","assign":{"job":"incomplete","attempt":1}}`,
	} {
		dir := filepath.Join(s.dir, name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, recordName), []byte(body), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // what was found failed the first time must be so the second time
		entries, err := s.load()
		if err != nil || len(entries) != 1 {
			t.Fatalf("got %d entries, %v, want the interrupted one", len(entries), err)
		}
		if m := entries[0].outcome(); m == nil || m.Failed == nil || m.Failed.Error.Code != api.CodeNodeStopped {
			t.Errorf("outcome: %+v", m)
		}
	}
	if left, _ := os.ReadDir(s.dir); len(left) != 1 {
		t.Errorf("%d directories are left, want 1", len(left))
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"stage":"running","assign":{"job":"a","attempt":1}}`))
	f.Add([]byte(`{"stage":"failed","assign":{"job":"a","attempt":1},"error":{"code":"x","message":"y"}}`))
	f.Add([]byte(`{"stage":"done","assign":{"job":"a","attempt":1},"delivered":true,"receipt":{},"images":[{"name":"../x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeRecord(body)
		if err != nil {
			return
		}
		if m := r.outcome(); m == nil && r.Stage == stageFailed {
			t.Error("a failure without a message")
		}
		for _, image := range r.Images {
			if !filepath.IsLocal(image.Name) || strings.ContainsRune(image.Name, filepath.Separator) {
				t.Errorf("an image outside its directory: %q", image.Name)
			}
		}
	})
}

func TestJoinTokens(t *testing.T) {
	sum := strings.Repeat("Ab", 32)
	for _, c := range []struct {
		text, fingerprint string
		fails             bool
	}{
		{text: ""},
		{text: "easel-join-1.secret\n"},
		{text: "easel-join-1.secret." + sum, fingerprint: strings.ToLower(sum)},
		{text: "secret", fails: true},
		{text: "easel-join-2.secret", fails: true},
		{text: "easel-join-1.", fails: true},
		{text: "easel-join-1.secret.abc", fails: true},
		{text: "easel-join-1.secret." + sum + ".x", fails: true},
	} {
		got, err := parseJoinToken(c.text)
		if (err != nil) != c.fails || got.fingerprint != c.fingerprint {
			t.Errorf("%q: got %+v, %v", c.text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the secret: %v", c.text, err)
		}
	}
}

// certificate makes a self-signed one and its fingerprint.
func certificate(t *testing.T) (*tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, hex.EncodeToString(sum[:])
}

func TestPinnedCertificate(t *testing.T) {
	cert, fingerprint := certificate(t)
	c := newCoordinator(t, func(c *fakeCoordinator) { c.tls = cert })
	data := t.TempDir()
	cfg := config(t, c.url(), data)
	cfg.JoinToken = "easel-join-1.secret." + fingerprint
	r := start(t, cfg)
	p := receive(t, c.sessions, "registration over TLS")
	p.assign(assignment("job-a", "a red circle"))
	p.settle(p.done().Attempt)
	emptied(t, p, data)
	r.stop()

	cfg.JoinToken = "" // the fingerprint is remembered
	r = start(t, cfg)
	receive(t, c.sessions, "registration without a token")
	r.stop()

	other, _ := certificate(t)
	impostor := newCoordinator(t, func(c *fakeCoordinator) { c.tls = other })
	cfg.Coordinator = impostor.url()
	if err := start(t, cfg).wait(); !errors.Is(err, ErrCertificate) {
		t.Errorf("another certificate: got %v, want ErrCertificate", err)
	}
	cfg.Coordinator = "http://" + impostor.address
	if err := start(t, cfg).wait(); !errors.Is(err, ErrCertificate) {
		t.Errorf("no certificate: got %v, want ErrCertificate", err)
	}
}

func TestMembershipOfAnotherCoordinator(t *testing.T) {
	c, r, p, data := join(t)
	p.heartbeat("heartbeat", func(api.Heartbeat) bool { return true })
	r.stop()
	tokens := make(chan string, 8)
	c.set(func() {
		c.refuse = func(reg api.Register) *api.Error {
			tokens <- reg.JoinToken
			if reg.JoinToken == "" {
				return api.Errorf(api.CodeUnauthorized, "unknown key") // the coordinator was set up anew
			}
			return nil
		}
	})
	r = start(t, config(t, c.url(), data))
	receive(t, c.sessions, "registration with the token after one without")
	first, second := receive(t, tokens, "token"), receive(t, tokens, "second token")
	if first != "" || second == "" {
		t.Errorf("tokens shown: %q, then %q", first, second)
	}
	r.stop()
}
