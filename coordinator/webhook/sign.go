package coordinator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// webhookSecretFile has the secret from which those of the keys are made.
const webhookSecretFile = "webhook.secret"

// A webhookSigner signs webhooks. Every API key has a secret of its own, so that nobody who can check
// signatures can make those of another key.
type webhookSigner struct{ secret []byte }

func loadWebhookSigner(dir string) (webhookSigner, error) {
	s, err := loadSigner(filepath.Join(dir, webhookSecretFile))
	return webhookSigner(s), err
}

// of is the secret of a key, by the key's name.
func (s webhookSigner) of(owner string) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "easel webhook secret 1\n%s", owner)
	return "whsec_" + hex.EncodeToString(mac.Sum(nil))
}

// header is the value of Easel-Signature.
func (s webhookSigner) header(owner string, now time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(s.of(owner)))
	fmt.Fprintf(mac, "%d.", now.Unix())
	mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%x", now.Unix(), mac.Sum(nil))
}

// showWebhookSecret gives a key the secret that its webhooks are signed with.
func (c *coordinator) showWebhookSecret(w http.ResponseWriter, r *http.Request, who caller) {
	w.Header().Set("Cache-Control", "no-store")
	c.answer(w, r, map[string]string{"secret": c.webhooks.signer.of(who.Name)}, nil)
}

// notification is the body of a job's webhook: in its dialect's form, or else the job as the native
// API shows it.
func (c *coordinator) notification(r record) ([]byte, error) {
	job := view(r, nil)
	link := func(index int) string { return r.Base + c.signer.path(job, index, c.config.LinkValid) }
	job.Images = slices.Clone(job.Images) // the record's are nobody's to change
	for i := range job.Images {
		job.Images[i].URL = link(job.Images[i].Index)
	}
	var body any = map[string]api.Job{"job": job}
	if vendor := c.vendors.find(r.Dialect); vendor != nil {
		if notifier, ok := vendor.Dialect.(dialect.Notifier); ok {
			var err error
			if body, err = notifier.Notification(job, *r.Webhook, link); err != nil {
				return nil, fmt.Errorf("the body cannot be made: %w", err)
			}
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // addresses have & in them
	err := encoder.Encode(body)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}
