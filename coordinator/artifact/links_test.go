package artifact_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
)

func TestSignatureExpires(t *testing.T) {
	links := artifact.NewLinks([]byte("secret"), valid)
	queued := api.Job{ID: "job", State: api.StateQueued, CreatedAt: time.Date(2030, 1, 1, 12, 30, 0, 1, time.UTC)}
	u, err := url.Parse(links.Image(queued, 0))
	if err != nil {
		t.Fatal(err)
	}
	expired := queued.CreatedAt.Add(valid + time.Second)
	settled := queued
	settled.State, settled.UpdatedAt = api.StateSucceeded, queued.CreatedAt.Add(2*time.Hour)
	for _, c := range []struct {
		name  string
		links artifact.Links
		job   api.Job
		now   time.Time
		works bool
	}{
		{"to the last moment, of a job that is gone", links, api.Job{}, queued.CreatedAt.Add(valid), true},
		{"a second later", links, api.Job{}, expired, false},
		{"of a job settled meanwhile", links, settled, expired, true},
		{"to the last moment after that", links, settled, settled.UpdatedAt.Add(valid - time.Nanosecond), true},
		{"long after that", links, settled, settled.UpdatedAt.Add(valid), false},
		{"of a job that is not settled yet", links, queued, expired.Add(100 * valid), true},
		{"another secret's", artifact.NewLinks([]byte("other"), valid), settled, queued.CreatedAt, false},
	} {
		if err := c.links.Check(c.job, "job", 0, u.Query(), c.now); (err == nil) != c.works {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestParseImage(t *testing.T) {
	for _, c := range []struct {
		address, job string
		index        int
		ok           bool
	}{
		{"http://any.host/easel/v1/jobs/abc/images/3.png?signature=x", "abc", 3, true},
		{"/easel/v1/jobs/abc/images/0", "abc", 0, true},
		{"/easel/v1/jobs/abc/images/x.png", "abc", 0, false},
		{"/easel/v1/jobs/abc/attempts/1/images/0", "", 0, false},
		{"/easel/v1/pictures/abc.png", "", 0, false},
		{"/v1/images", "", 0, false},
	} {
		u, err := url.Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		if job, index, ok := artifact.ParseImage(u); ok != c.ok || ok && (job != c.job || index != c.index) {
			t.Errorf("%s: %q, %d, %v", c.address, job, index, ok)
		}
	}
}
