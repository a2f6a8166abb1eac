package coordinator

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
)

// linkValid is how long a signed image URL works at least.
const linkValid = 24 * time.Hour

// A signer makes and checks image URLs that work without an API key.
type signer struct{ secret []byte }

func (s signer) signature(job string, index int, expires int64) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "easel image 1\n%s\n%d\n%d", job, index, expires)
	return hex.EncodeToString(mac.Sum(nil))
}

// path returns the signed path of an image. The time is rounded up to the hour, so that a job read
// twice shows the same URL and caches work.
func (s signer) path(job string, index int, now time.Time) string {
	expires := now.Truncate(time.Hour).Add(linkValid + time.Hour).Unix()
	query := url.Values{
		"expires":   {strconv.FormatInt(expires, 10)},
		"signature": {s.signature(job, index, expires)},
	}
	return fmt.Sprintf("/easel/v1/jobs/%s/images/%d?%s", url.PathEscape(job), index, query.Encode())
}

// check reports whether the query signs that image and is not over.
func (s signer) check(job string, index int, query url.Values, now time.Time) error {
	expires, err := strconv.ParseInt(query.Get("expires"), 10, 64)
	given, want := []byte(query.Get("signature")), []byte(s.signature(job, index, expires))
	if err != nil || subtle.ConstantTimeCompare(given, want) != 1 {
		return api.Errorf(api.CodeForbidden, "signature: it does not match this URL")
	}
	if now.Unix() >= expires {
		return api.Errorf(api.CodeForbidden, "expires: this URL was valid until %s, read the job again for a new one", time.Unix(expires, 0).UTC().Format(time.RFC3339))
	}
	return nil
}

// links fills in the absolute URLs of a job's images, as the client reached us.
func (c *coordinator) links(r *http.Request, job api.Job) api.Job {
	images := make([]api.Image, len(job.Images))
	for i, image := range job.Images {
		images[i] = c.link(r, job.ID, image)
	}
	job.Images = images
	return job
}

func (c *coordinator) link(r *http.Request, job string, image api.Image) api.Image {
	image.URL = c.signer.path(job, image.Index, time.Now())
	if r.Host != "" {
		scheme := "http"
		// A proxy that has the TLS says how the client came. The word decides nothing but this URL.
		if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
			scheme = "https"
		}
		image.URL = scheme + "://" + r.Host + image.URL
	}
	return image
}
