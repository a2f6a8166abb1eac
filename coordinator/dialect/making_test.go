package dialect

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/easelgrid/easel/api"
)

// workshop is a Maker whose jobs end as it is set.
type workshop struct {
	job      api.Job
	refusal  error
	endless  bool // waiting ends with its context
	asked    Request
	canceled string
}

func (s *workshop) Submit(_ context.Context, _ Caller, r Request) (api.Job, error) {
	s.asked = r
	return api.Job{ID: "job"}, s.refusal
}

func (s *workshop) Wait(ctx context.Context, _ string, _ func(Event) error) (api.Job, error) {
	if s.endless {
		<-ctx.Done()
		return api.Job{}, ctx.Err()
	}
	return s.job, nil
}

func (s *workshop) Cancel(_ context.Context, _ Caller, job string) error {
	s.canceled = job
	return nil
}

// doors knows one key.
type doors struct{}

func (doors) Caller(_ context.Context, key string) (Caller, error) {
	if key != "right" {
		return Caller{}, api.Errorf(api.CodeUnauthorized, "wrong key")
	}
	return Caller{Name: "tester"}, nil
}

// serve answers a request through a frame and a making whose body is {"prompt"}, and returns what became
// of it. The reply is the prompt, and how the job was asked for.
func serve(s *workshop, r *http.Request) *httptest.ResponseRecorder {
	form := ErrorForm{Names: map[string]string{"width": "size"}, Body: func(h http.Header, e *api.Error) any {
		h.Set("X-Failed", "yes")
		return e.Message
	}}
	frame := KeyInHeader(doors{}, func(w http.ResponseWriter, _ *http.Request, err error) { form.Fail(w, err) })
	making := Making[string]{
		Maker: s, Limit: time.Minute,
		Decode: FromObject(100, func(o *Object) (Request, string, error) {
			asked := Request{Job: api.JobRequest{Prompt: o.Prompt("prompt", 10)}}
			return asked, "decoded " + asked.Job.Prompt, o.Err()
		}),
		Encode: func(c *Call, job api.Job, asked string, reply *Reply) (any, error) {
			image, err := reply.Base64(io.NopCloser(strings.NewReader("image")), api.Image{Bytes: 5}, nil)
			return []string{c.Who.Name, job.ID, asked, image}, err
		},
	}
	w := httptest.NewRecorder()
	frame.Route(Route{}, making.Answer).Handle(w, r)
	return w
}

func asking(ctx context.Context, key, body string, header ...string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestMaking(t *testing.T) {
	done := api.Job{ID: "job", State: api.StateSucceeded}
	for name, c := range map[string]struct {
		key, body string
		job       api.Job
		refusal   error
		status    int
		reply     string
	}{
		"done":      {"right", `{"prompt":"a cat"}`, done, nil, 200, `["tester","job","decoded a cat","aW1hZ2U="]`},
		"wrong key": {"wrong", `{"prompt":"a cat"}`, done, nil, 401, `"wrong key"`},
		"fault":     {"right", `{"prompt":""}`, done, nil, 400, `"prompt: want a text that is not empty"`},
		"too long":  {"right", `{"prompt":"` + strings.Repeat("a", 100) + `"}`, done, nil, 413, `"body: got more than 100 bytes, want at most 100"`},
		"refused":   {"right", `{"prompt":"a cat"}`, done, api.Invalid([]api.Fault{{Field: "width", Limit: "less"}}), 400, `"size: want less"`},
		"failed":    {"right", `{"prompt":"a cat"}`, api.Job{State: api.StateFailed, Error: api.Errorf(api.CodeOutOfMemory, "too big")}, nil, 500, `"too big"`},
		"canceled":  {"right", `{"prompt":"a cat"}`, api.Job{State: api.StateCanceled}, nil, 409, `"the job was canceled"`},
		"unknown":   {"right", `{"prompt":"a cat"}`, api.Job{State: api.StateFailed}, nil, 500, `"the job is failed"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &workshop{job: c.job, refusal: c.refusal}
			w := serve(s, asking(t.Context(), c.key, c.body, "Idempotency-Key", "again"))
			if w.Code != c.status || w.Body.String() != c.reply || (w.Header().Get("X-Failed") == "yes") != (c.status != 200) {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if submitted := s.asked.Job.Prompt != ""; submitted && s.asked.IdempotencyKey != "again" {
				t.Errorf("submitted with Idempotency-Key %q", s.asked.IdempotencyKey)
			}
		})
	}
}

// The body of somebody without a key is not read.
func TestKeyIsCheckedBeforeTheBodyIsRead(t *testing.T) {
	r := asking(t.Context(), "wrong", "")
	body := &ending{Reader: strings.NewReader(`{"prompt":"a"}`)}
	r.Body = io.NopCloser(body)
	if w := serve(&workshop{}, r); w.Code != http.StatusUnauthorized || body.ended {
		t.Errorf("got %d, and the body was read: %v", w.Code, body.ended)
	}
}

func TestMakingEndsAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &workshop{endless: true}
		w := serve(s, asking(t.Context(), "right", `{"prompt":"a cat"}`))
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "within 1m0s") || s.canceled != "job" {
			t.Errorf("got %d %s, and %q was canceled", w.Code, w.Body, s.canceled)
		}
	})
}

// A wait that ends with context.Canceled cancels the job where the coordinator is configured so. That of
// a client that may come again ends as by a deadline. In neither case does the dialect cancel it.
func TestWaitEndsWithItsClient(t *testing.T) {
	for key, want := range map[string]error{"": context.Canceled, "again": context.DeadlineExceeded} {
		for _, limit := range []time.Duration{0, time.Minute} {
			ctx, leave := context.WithCancel(t.Context())
			leave()
			s := &workshop{endless: true}
			c := &Call{R: asking(ctx, "", "", "Idempotency-Key", key)}
			if _, err := c.Wait(s, "job", limit); !errors.Is(err, want) || s.canceled != "" {
				t.Errorf("key %q, limit %s: got %v, and %q was canceled", key, limit, err, s.canceled)
			}
		}
	}
}

func TestPatience(t *testing.T) {
	for key, want := range map[string]error{"": context.Canceled, "again": context.DeadlineExceeded} {
		ctx, leave := context.WithCancel(t.Context())
		c := &Call{R: asking(ctx, "", "", "Idempotency-Key", key)}
		waiting := c.Patient(c.Context())
		if err := waiting.Err(); err != nil {
			t.Errorf("key %q: %v before the client left", key, err)
		}
		leave()
		<-waiting.Done()
		if err := waiting.Err(); !errors.Is(err, want) {
			t.Errorf("key %q: got %v, want %v", key, err, want)
		}
	}
}
