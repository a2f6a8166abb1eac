package modelslab

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// someModel has everything that a request can ask for.
var someModel = dialect.Model{
	Model: api.Model{
		Name: "shapes", Architecture: "sd1", Width: 128, Height: 128, Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler",
		TextLayers: 12, SafetyChecker: true,
		LoRAs: []api.Adapter{{Name: "outline"}, {Name: "lcm"}}, VAEs: []api.Adapter{{Name: "crisp"}},
	},
	ID: "realistic-vision-51", Created: time.Date(2023, 1, 25, 11, 52, 22, 0, time.UTC), Schedulers: api.SchedulerNames,
}

// desk is a Service in memory. Its jobs end with the outcome when they are waited for.
type desk struct {
	models   []dialect.Model
	missing  string // a name that no model has
	outcome  api.State
	slow     bool // waiting ends with its deadline
	refusal  error
	conflict int // so many numbers are taken
	requests []dialect.Request
	jobs     map[string]api.Job // by alias
	kept     []byte
	canceled int
}

func newDesk() *desk {
	return &desk{models: []dialect.Model{someModel}, outcome: api.StateSucceeded, jobs: map[string]api.Job{}}
}

func (s *desk) Caller(_ context.Context, key string) (dialect.Caller, error) {
	if key != "secret" && key != "enterprise_api_key" && key != "your_api_key" {
		return dialect.Caller{}, api.Errorf(api.CodeUnauthorized, "Authorization: the key is not known")
	}
	return dialect.Caller{Name: "somebody"}, nil
}

func (s *desk) Models(context.Context, string) []dialect.Model { return s.models }

func (s *desk) Model(_ context.Context, _, name string) (dialect.Model, error) {
	if len(s.models) == 0 || s.missing != "" && name == s.missing {
		return dialect.Model{}, api.Errorf(api.CodeModelNotFound, "model: got %s, want one of none", api.Quote(name))
	}
	return s.models[0], nil
}

func (s *desk) Fetch(_ context.Context, address string) ([]byte, error) {
	if strings.Contains(address, "your-image-url") || strings.Contains(address, "10.0.0.1") {
		return nil, api.Errorf(api.CodeInvalidRequest, "not a public address")
	}
	return somePicture, nil
}

func (s *desk) Submit(ctx context.Context, _ dialect.Caller, r dialect.Request) (api.Job, error) {
	if r.Fit != nil {
		m, err := s.Model(ctx, r.Dialect, r.Model)
		if err == nil {
			err = r.Fit(m, &r.Job)
		}
		if err != nil {
			return api.Job{}, err
		}
	}
	if s.refusal != nil {
		return api.Job{}, s.refusal
	}
	if s.conflict > 0 {
		s.conflict--
		return api.Job{}, api.Errorf(api.CodeConflict, "another job is called %s", r.Alias)
	}
	spec, faults := r.Job.Spec(someModel.Model, 4711)
	if err := api.Invalid(faults); err != nil {
		return api.Job{}, err
	}
	s.requests = append(s.requests, r)
	job := api.Job{ID: fmt.Sprintf("job%d", len(s.requests)), State: api.StateQueued, Spec: spec, AskedModel: r.Model, CreatedAt: time.Unix(100, 0), UpdatedAt: time.Unix(100, 0)}
	s.jobs[r.Alias] = job
	return job, nil
}

func (s *desk) Find(_ context.Context, _ dialect.Caller, _, id string) (api.Job, error) {
	job, ok := s.jobs[id]
	if !ok {
		return api.Job{}, api.Errorf(api.CodeNotFound, "there is no job %s", id)
	}
	return job, nil
}

func (s *desk) Wait(ctx context.Context, id string, _ func(dialect.Event) error) (api.Job, error) {
	if s.slow {
		if _, limited := ctx.Deadline(); !limited {
			return api.Job{}, api.Errorf(api.CodeUnavailable, "stopping")
		}
		return api.Job{}, context.DeadlineExceeded
	}
	for alias, job := range s.jobs {
		if job.ID == id {
			s.jobs[alias] = s.settle(job)
			return s.jobs[alias], nil
		}
	}
	return api.Job{}, api.Errorf(api.CodeNotFound, "there is no job %s", id)
}

func (s *desk) settle(job api.Job) api.Job {
	job.State, job.UpdatedAt = s.outcome, time.Unix(102, 0)
	switch s.outcome {
	case api.StateSucceeded:
		for i := range job.Spec.N {
			job.Images = append(job.Images, api.Image{
				Index: i, Seed: job.Spec.Seed + int64(i), Width: job.Spec.Width, Height: job.Spec.Height, Bytes: int64(len(somePicture)), Type: "image/png",
				Flagged: strings.Contains(job.Spec.Prompt, "naked") && job.Spec.SafetyCheck,
			})
		}
		job.Receipt = &api.Receipt{Timings: api.Timings{Total: 2.92}, Safety: api.SafetyChecked}
	case api.StateFailed:
		job.Error = api.Errorf(api.CodeOutOfMemory, "the device is too small")
	}
	return job
}

func (s *desk) Cancel(context.Context, dialect.Caller, string) error { return nil }
func (s *desk) CancelQueued(context.Context, dialect.Caller) (int, error) {
	s.canceled++
	return 3, nil
}
func (s *desk) Waiting(context.Context) (int, time.Duration) { return 2, 2750 * time.Millisecond }

func (s *desk) Open(context.Context, string, int) (io.ReadCloser, api.Image, error) {
	return io.NopCloser(bytes.NewReader(somePicture)), api.Image{Bytes: int64(len(somePicture))}, nil
}

func (s *desk) URL(_ *http.Request, job api.Job, index int) string {
	return fmt.Sprintf("https://grid.example/images/%s/%d?sig=x", job.ID, index)
}

func (s *desk) Keep(_ context.Context, _ *http.Request, _ dialect.Caller, picture []byte) (string, error) {
	s.kept = picture
	return "https://grid.example/kept/1", nil
}

// somePicture is what addresses have: large enough for the vendor's examples.
var somePicture = pictureOf(512, 512)

func pictureOf(width, height int) []byte {
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black, color.White})
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		panic(err)
	}
	return file.Bytes()
}

// serving is the dialect on its routes.
func serving(s Service) http.Handler {
	mux := http.NewServeMux()
	for _, route := range New(s).Routes() {
		mux.HandleFunc(route.Method+" "+route.Path, route.Handle)
	}
	return mux
}

func ask(t testing.TB, h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
