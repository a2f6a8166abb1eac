package openai

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	diffs "github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// scripted is a service whose jobs happen as a test scripts them.
type scripted struct {
	dialect.Service
	images [][]byte
	submit error
	happen func(ctx context.Context, watch func(dialect.Event) error) error
	end    api.State
	asked  dialect.Request
}

func (s *scripted) Caller(_ context.Context, key string) (dialect.Caller, error) {
	if key != "right" {
		return dialect.Caller{}, api.Errorf(api.CodeUnauthorized, "wrong key")
	}
	return dialect.Caller{Name: "tester"}, nil
}

func (s *scripted) Model(context.Context, string, string) (dialect.Model, error) {
	return dialect.Model{Model: api.Model{Steps: 20}, ID: "shapes"}, nil
}

func (s *scripted) job() api.Job {
	job := api.Job{ID: "job", CreatedAt: time.Unix(7, 0), State: cmp.Or(s.end, api.StateSucceeded), Spec: api.ImageSpec{
		Prompt: "a cat", Width: 64, Height: 32, Steps: 20, N: len(s.images), Format: cmp.Or(s.asked.Job.Format, api.FormatPNG), Background: s.asked.Job.Background,
	}}
	for i, file := range s.images {
		job.Images = append(job.Images, api.Image{Index: i, Width: 64, Height: 32, Bytes: int64(len(file))})
	}
	if job.State == api.StateFailed {
		job.Error, job.Images = api.Errorf(api.CodeOutOfMemory, "too big"), nil
	}
	return job
}

func (s *scripted) Submit(ctx context.Context, _ dialect.Caller, r dialect.Request) (api.Job, error) {
	if r.Fit != nil {
		m, _ := s.Model(ctx, r.Dialect, r.Model)
		if err := r.Fit(m, &r.Job); err != nil {
			return api.Job{}, err
		}
	}
	s.asked = r
	return s.job(), s.submit
}

func (s *scripted) Wait(ctx context.Context, _ string, watch func(dialect.Event) error) (api.Job, error) {
	if s.happen != nil {
		if err := s.happen(ctx, watch); err != nil {
			return api.Job{}, err
		}
	}
	return s.job(), nil
}

func (s *scripted) Open(_ context.Context, _ string, index int) (io.ReadCloser, api.Image, error) {
	return io.NopCloser(bytes.NewReader(s.images[index])), s.job().Images[index], nil
}

func (s *scripted) URL(_ *http.Request, job api.Job, index int) string {
	return "https://easel.example/" + job.ID + "/" + string(rune('0'+index))
}

// call sends a request to the dialect's own handler.
func call(t *testing.T, s *scripted, path, kind string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", path, bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer right")
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	for _, route := range New(s).Routes() {
		if route.Path == path {
			route.Handle(w, r)
		}
	}
	return w
}

func preview(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 8)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A sentEvent is one event of a stream.
type sentEvent struct {
	name string
	data map[string]any
}

func eventsOf(t *testing.T, body string) (events []sentEvent, comments int) {
	t.Helper()
	for text := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		if strings.HasPrefix(text, ":") {
			comments++
			continue
		}
		name, data, ok := strings.Cut(strings.TrimPrefix(text, "event: "), "\ndata: ")
		e := sentEvent{name: name}
		if err := json.Unmarshal([]byte(data), &e.data); err != nil || !ok || strings.Contains(data, "\n") {
			t.Fatalf("%v in %.200q", err, text)
		}
		events = append(events, e)
	}
	return events, comments
}

func progress(watch func(dialect.Event) error, jpeg []byte, index int, steps ...int) {
	for _, step := range steps {
		_ = watch(dialect.Event{Progress: &api.Progress{Image: index, Step: step, Steps: 20}})
		_ = watch(dialect.Event{Preview: &dialect.Preview{Image: index, Step: step, JPEG: jpeg}})
	}
}

func TestStream(t *testing.T) {
	jpeg := preview(t)
	s := &scripted{images: [][]byte{[]byte("first"), []byte("second picture")}}
	s.happen = func(_ context.Context, watch func(dialect.Event) error) error {
		progress(watch, jpeg, 0, 4, 8, 12, 16)
		for i, image := range s.job().Images {
			_ = watch(dialect.Event{Image: &image})
			progress(watch, jpeg, i, 20) // a late one
		}
		progress(watch, jpeg, 1, 16)
		return nil
	}
	w := call(t, s, pathGenerations, "application/json", []byte(`{"prompt":"a cat","n":2,"stream":true,"partial_images":2,"quality":"low","output_format":"webp"}`))
	if kind := w.Header().Get("Content-Type"); w.Code != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("%d %s %s", w.Code, kind, w.Body)
	}
	if *s.asked.Job.Steps != 10 {
		t.Errorf("quality low takes %d of 20 steps", *s.asked.Job.Steps)
	}
	events, _ := eventsOf(t, w.Body.String())
	var got []string
	for _, e := range events {
		if e.name != e.data["type"] {
			t.Errorf("event %s has type %v", e.name, e.data["type"])
		}
		if created, _ := e.data["created_at"].(float64); created < 1 {
			t.Errorf("created_at %v", e.data["created_at"])
		}
		if e.data["size"] != "64x32" || e.data["quality"] != "low" || e.data["background"] != "opaque" {
			t.Errorf("got %v", e.data)
		}
		file, err := base64.StdEncoding.DecodeString(e.data["b64_json"].(string))
		if err != nil {
			t.Fatal(err)
		}
		switch e.name {
		case "image_generation.partial_image":
			c, kind, err := image.DecodeConfig(bytes.NewReader(file))
			if err != nil || c.Width != 64 || c.Height != 32 || kind != e.data["output_format"] {
				t.Errorf("a partial image of %d x %d, %s: %v", c.Width, c.Height, kind, err)
			}
			if len(e.data) != 8 {
				t.Errorf("%d fields", len(e.data))
			}
			got = append(got, "partial "+string(rune('0'+int(e.data["partial_image_index"].(float64)))))
		case "image_generation.completed":
			if usage := e.data["usage"].(map[string]any); usage["total_tokens"] != 4.0 || e.data["output_format"] != "webp" || len(e.data) != 8 {
				t.Errorf("got %v", e.data)
			}
			got = append(got, string(file))
		default:
			t.Errorf("event %s", e.name)
		}
	}
	if diff := diffs.Diff([]string{"partial 0", "partial 1", "first", "second picture"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestStreamOfAnEdit(t *testing.T) {
	s := &scripted{images: [][]byte{[]byte("edited")}}
	s.happen = func(_ context.Context, watch func(dialect.Event) error) error {
		progress(watch, preview(t), 0, 19)
		return watch(dialect.Event{Image: &s.job().Images[0]})
	}
	body, kind := formBody(t, part{"image", pngOf(t, 64, 32, false)}, part{"prompt", "a hat"}, part{"stream", "true"}, part{"partial_images", "1"}, part{"output_format", "jpeg"})
	events, _ := eventsOf(t, call(t, s, pathEdits, kind, body).Body.String())
	if len(events) != 2 || events[0].name != "image_edit.partial_image" || events[0].data["output_format"] != "jpeg" || events[1].name != "image_edit.completed" {
		t.Errorf("got %v", events)
	}
}

// What happens before the job is accepted has a status, what happens later is an event with an error.
func TestStreamsThatFail(t *testing.T) {
	body := []byte(`{"prompt":"a cat","stream":true}`)
	w := call(t, &scripted{submit: api.Errorf(api.CodeModelNotFound, "none")}, pathGenerations, "application/json", body)
	if w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = call(t, &scripted{end: api.StateFailed}, pathGenerations, "application/json", body)
	events, _ := eventsOf(t, w.Body.String())
	if len(events) != 1 || events[0].name != "error" || events[0].data["error"].(map[string]any)["code"] != "out_of_memory" {
		t.Errorf("got %v", events)
	}
}

func TestQuietStreamsAreKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{images: [][]byte{[]byte("late")}}
		s.happen = func(_ context.Context, watch func(dialect.Event) error) error {
			time.Sleep(5*keepAlive + time.Second) // of the bubble's time
			return watch(dialect.Event{Image: &s.job().Images[0]})
		}
		w := call(t, s, pathGenerations, "application/json", []byte(`{"prompt":"a cat","stream":true}`))
		events, comments := eventsOf(t, w.Body.String())
		if len(events) != 1 || comments != 6 {
			t.Errorf("%d events, %d comments", len(events), comments)
		}
	})
}

func TestResponse(t *testing.T) {
	s := &scripted{images: [][]byte{[]byte("one"), []byte("two")}}
	for body, want := range map[string]string{
		`{"prompt":"a cat","model":"dall-e-3","n":2}`: `{"created":7,"background":"opaque","data":[` +
			`{"url":"https://easel.example/job/0","revised_prompt":"a cat"},{"url":"https://easel.example/job/1","revised_prompt":"a cat"}],` +
			`"output_format":"png","quality":"medium","size":"64x32","usage":` + usageText + `}`,
		`{"prompt":"a cat","model":"gpt-image-1","n":2,"quality":"hd","background":"transparent"}`: `{"created":7,"background":"transparent","data":[` +
			`{"b64_json":"b25l"},{"b64_json":"dHdv"}],"output_format":"png","quality":"high","size":"64x32","usage":` + usageText + `}`,
	} {
		w := call(t, s, pathGenerations, "application/json", []byte(body))
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

const usageText = `{"input_tokens":2,"input_tokens_details":{"image_tokens":0,"text_tokens":2},"output_tokens":4,"output_tokens_details":{"image_tokens":4,"text_tokens":0},"total_tokens":6}`

// A client that may come again does not end its job by leaving.
func TestWhoLeavesAndMayComeAgain(t *testing.T) {
	for key, want := range map[string]error{"": context.Canceled, "again": context.DeadlineExceeded} {
		for _, body := range []string{`{"prompt":"a cat","stream":true}`, `{"prompt":"a cat"}`} {
			ctx, leave := context.WithCancel(t.Context())
			var ended error
			s := &scripted{happen: func(ctx context.Context, _ func(dialect.Event) error) error {
				leave()
				<-ctx.Done()
				ended = ctx.Err()
				return ended
			}}
			r := httptest.NewRequestWithContext(ctx, "POST", pathGenerations, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer right")
			r.Header.Set("Idempotency-Key", key)
			New(s).Routes()[0].Handle(httptest.NewRecorder(), r)
			if ended != want || s.asked.IdempotencyKey != key {
				t.Errorf("key %q, %s: %v", key, body, ended)
			}
		}
	}
}

func TestKeyIsLookedAtBeforeTheBody(t *testing.T) {
	for _, route := range New(&scripted{}).Routes() {
		w := httptest.NewRecorder()
		route.Handle(w, httptest.NewRequest(route.Method, "/", strings.NewReader("{")))
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", route.Path, w.Code)
		}
	}
}
