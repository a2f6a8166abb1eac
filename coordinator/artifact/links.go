package coordinator

import (
	"cmp"
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

// imagesPath begins the path of every image.
const imagesPath = "/easel/v1/jobs/"

// A signer makes and checks image URLs that work without an API key.
type signer struct{ secret []byte }

func (s signer) signature(job string, index int, expires int64) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "easel image 1\n%s\n%d\n%d", job, index, expires)
	return hex.EncodeToString(mac.Sum(nil))
}

// path returns the signed path of an image. It depends on the job's submission only, so that it is
// known before the image is there and stays the same.
func (s signer) path(job api.Job, index int, valid time.Duration) string {
	expires := job.CreatedAt.Add(valid).Unix() + 1 // never less than a whole second short
	query := url.Values{
		"expires":   {strconv.FormatInt(expires, 10)},
		"signature": {s.signature(job.ID, index, expires)},
	}
	ending := cmp.Or(job.Spec.Format, api.FormatPNG)
	return fmt.Sprintf(imagesPath+"%s/images/%d.%s?%s", url.PathEscape(job.ID), index, ending, query.Encode())
}

// check reports whether the query signs that image and is not over. A link of a job that is settled
// later than it was submitted works longer than it says itself, namely until least.
func (s signer) check(job string, index int, query url.Values, least, now time.Time) error {
	expires, err := strconv.ParseInt(query.Get("expires"), 10, 64)
	given, want := []byte(query.Get("signature")), []byte(s.signature(job, index, expires))
	if err != nil || subtle.ConstantTimeCompare(given, want) != 1 {
		return api.Errorf(api.CodeForbidden, "signature: it does not match this URL")
	}
	if now.Unix() >= expires && !now.Before(least) {
		return api.Errorf(api.CodeForbidden, "expires: this URL was valid until %s", time.Unix(expires, 0).UTC().Format(time.RFC3339))
	}
	return nil
}

// links fills in the absolute URLs of a job's images, as the client reached us.
func (c *coordinator) links(r *http.Request, job api.Job) api.Job {
	images := make([]api.Image, len(job.Images))
	for i, image := range job.Images {
		images[i] = c.link(r, job, image)
	}
	job.Images = images
	return job
}

func (c *coordinator) link(r *http.Request, job api.Job, image api.Image) api.Image {
	image.URL = c.base(r) + c.signer.path(job, image.Index, c.config.LinkValid)
	return image
}
