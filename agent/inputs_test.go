package agent

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestInputsAreFetched(t *testing.T) {
	const digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	for _, c := range []struct {
		name    string
		answers []string // "" is an error of the coordinator's
		status  int      // of answers that are none
		want    error
	}{
		{"at once", []string{"hello"}, 0, nil},
		{"when the coordinator is well again", []string{"", "", "hello"}, 503, nil},
		{"but not another picture", []string{"hallo", "hello"}, 0, &api.Error{Code: api.CodeUploadFailed}},
		{"but not when nobody wants it", []string{"", "hello"}, 409, errDropped},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers := c.answers
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body := answers[0]
				answers = answers[1:]
				if r.URL.Path != "/in/"+digest || r.Header.Get("Authorization") != "Bearer t" {
					t.Errorf("asked for %s with %q", r.URL, r.Header.Get("Authorization"))
				}
				if body == "" {
					w.WriteHeader(c.status)
				}
				_, _ = w.Write([]byte(body))
			}))
			defer server.Close()
			base, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			to, err := newEndpoint(base, "")
			if err != nil {
				t.Fatal(err)
			}
			defer to.close()
			in := api.Input{SHA256: digest}
			e := &entry{dir: t.TempDir()}
			e.Assign = api.Assign{Inputs: "/in/{sha256}", Ticket: "t", Spec: api.ImageSpec{InitImage: &in}}
			err = (&uploader{endpoint: to, log: discard}).fetch(t.Context(), e)
			if wrong, ok := errors.AsType[*api.Error](c.want); ok {
				if got, ok := errors.AsType[*api.Error](err); !ok || got.Code != wrong.Code {
					t.Errorf("got %v, want code %s", err, wrong.Code)
				}
			} else if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			body, err := os.ReadFile(filepath.Join(e.dir, in.FileName()))
			if (c.want == nil) != (err == nil && string(body) == "hello") {
				t.Errorf("the file holds %q, %v", body, err)
			}
		})
	}
}
