package modelslab

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// counted counts what is read of a body.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

func TestStrangersAreNotReadFar(t *testing.T) {
	long := `"init_image":"` + strings.Repeat("A", 4*maxStranger) + `"`
	for name, c := range map[string]struct {
		body, bearer string
		full         bool // no place is left
		status       int
		whole        bool // the body is read
	}{
		"wrong key ahead":             {`{"key":"wrong",` + long + `}`, "", false, http.StatusUnauthorized, false},
		"key ahead":                   {`{"n":[1],"key":" secret",` + long + `}`, "", true, http.StatusOK, true},
		"another key behind":          {`{"key":"secret",` + long + `,"key":"wrong"}`, "", true, http.StatusUnauthorized, true},
		"key behind":                  {`{` + long + `,"key":"secret"}`, "", false, http.StatusOK, true},
		"wrong key behind":            {`{` + long + `,"key":"wrong"}`, "", false, http.StatusUnauthorized, true},
		"key behind, full":            {`{` + long + `,"key":"secret"}`, "", true, http.StatusServiceUnavailable, false},
		"bearer, full":                {`{` + long + `}`, "secret", true, http.StatusOK, true},
		"wrong bearer, full":          {`{` + long + `}`, "wrong", true, http.StatusServiceUnavailable, false},
		"no key, full":                {`{` + long + `}`, "", true, http.StatusServiceUnavailable, false},
		"small, full":                 {`{"key":"secret"}`, "", true, http.StatusOK, true},
		"broken where it begins":      {`]` + long, "", true, http.StatusServiceUnavailable, false},
		"key is no string, and large": {`{"key":{},` + long + `}`, "", false, http.StatusBadRequest, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := New(newDesk()).(*modelsLab)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.full {
				for range strangersAtOnce {
					d.strangers <- struct{}{}
				}
				cancel() // it would wait
			}
			body := &counted{Reader: strings.NewReader(c.body)}
			r := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/enterprise/system_details", body)
			if c.bearer != "" {
				r.Header.Set("Authorization", "Bearer "+c.bearer)
			}
			w := httptest.NewRecorder()
			d.route(endpoint{handle: (*modelsLab).systemDetails}, "POST", "").Handle(w, r)
			if w.Code != c.status || (body.n == len(c.body)) != c.whole {
				t.Errorf("status %d, %d of %d bytes read: %s", w.Code, body.n, len(c.body), w.Body)
			}
			if !c.full && len(d.strangers) != 0 {
				t.Error("the place is not given back")
			}
		})
	}
}
