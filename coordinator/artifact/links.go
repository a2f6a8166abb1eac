package artifact

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// imagesPath begins the path of every image.
const imagesPath = "/easel/v1/jobs/"

// Links makes and checks addresses of pictures that work without an API key. An address depends on the
// job's submission only, so that it is known before the image is there and stays the same.
type Links struct {
	secret []byte
	valid  time.Duration
}

// NewLinks signs with a secret. Valid is how long a link works from the moment its picture is there.
func NewLinks(secret []byte, valid time.Duration) Links { return Links{secret, valid} }

func (l Links) sign(format string, args ...any) string {
	mac := hmac.New(sha256.New, l.secret)
	fmt.Fprintf(mac, format, args...)
	return hex.EncodeToString(mac.Sum(nil))
}

func (l Links) signature(job string, index int, expires int64) string {
	return l.sign("easel image 1\n%s\n%d\n%d", job, index, expires)
}

// Image returns the signed path of an image of a job, finished or not.
func (l Links) Image(job api.Job, index int) string {
	expires := job.CreatedAt.Add(l.valid).Unix() + 1 // never less than a whole second short
	query := url.Values{
		"expires":   {strconv.FormatInt(expires, 10)},
		"signature": {l.signature(job.ID, index, expires)},
	}
	ending := cmp.Or(job.Spec.Format, api.FormatPNG)
	return fmt.Sprintf(imagesPath+"%s/images/%d.%s?%s", url.PathEscape(job.ID), index, ending, query.Encode())
}

// Check returns why the query is no valid signature of that image now, nil when it is. It is valid until
// the time that it states, and as long after the job was settled as a link works: until then there was
// nothing to fetch. The job is the zero value where there is none.
func (l Links) Check(job api.Job, id string, index int, query url.Values, now time.Time) error {
	expires, err := strconv.ParseInt(query.Get("expires"), 10, 64)
	given, want := []byte(query.Get("signature")), []byte(l.signature(id, index, expires))
	if err != nil || subtle.ConstantTimeCompare(given, want) != 1 {
		return errSignature
	}
	if now.Unix() >= expires && !now.Before(l.least(job, now)) {
		return api.Errorf(api.CodeForbidden, "expires: this URL was valid until %s", time.Unix(expires, 0).UTC().Format(time.RFC3339))
	}
	return nil
}

var errSignature = &api.Error{Code: api.CodeForbidden, Message: "signature: it does not match this URL"}

// least is until when a link works whatever it states itself.
func (l Links) least(job api.Job, now time.Time) time.Time {
	switch {
	case job.State.Terminal():
		return job.UpdatedAt.Add(l.valid)
	case job.ID != "":
		return now.Add(l.valid)
	}
	return time.Time{}
}

// ParseImage takes a link's path apart: which image of which job it is, and whether it is one at all.
func ParseImage(u *url.URL) (job string, index int, ok bool) {
	rest, ours := strings.CutPrefix(u.EscapedPath(), imagesPath)
	parts := strings.Split(rest, "/")
	if !ours || len(parts) != 3 || parts[1] != "images" {
		return "", 0, false
	}
	index, ok = ParseIndex(parts[2])
	return parts[0], index, ok
}

// ParseIndex reads the last part of an image's path: its index, with or without an ending as a file's
// name has.
func ParseIndex(name string) (int, bool) {
	number, _, _ := strings.Cut(name, ".")
	index, err := strconv.Atoi(number)
	return index, err == nil
}
