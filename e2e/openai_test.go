package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/shapes"
)

// openAI is OpenAI's own client for Go, pointed at a site or at something in front of it.
func (s *site) openAI(url string) openai.Client {
	return openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey(s.client.Key))
}

// decodedPicture reads a picture as replies carry it.
func decodedPicture(t *testing.T, text, format string) image.Image {
	t.Helper()
	file, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	picture, kind, err := image.Decode(bytes.NewReader(file))
	if err != nil || kind != format {
		t.Fatalf("a %s file, want %s: %v", kind, format, err)
	}
	return picture
}

// shows fails the test unless the picture shows what its prompt says.
func shows(t *testing.T, picture image.Image, prompt string) {
	t.Helper()
	scene, ok := shapes.Parse(prompt)
	if !ok {
		t.Fatalf("%q says nothing to the shipped model", prompt)
	}
	if v := shapes.Judge(scene, picture); !v.Right() {
		t.Errorf("%s: %+v", prompt, v)
	}
}

const greenStar = "a large green star on a white background"

// namedFile is a picture as a program opens it: the client names the part after it.
type namedFile struct {
	*bytes.Reader
	name string
}

func (f namedFile) Filename() string  { return f.name }
func (namedFile) ContentType() string { return "image/png" }

func TestOpenAIsGoClient(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.join(s.url, "builtin")
	client, ctx := s.openAI(s.url), t.Context()

	t.Run("generate", func(t *testing.T) {
		reply, err := client.Images.Generate(ctx, openai.ImageGenerateParams{
			Model: "shapes", Prompt: greenStar, N: openai.Int(2), Size: "128x128", Quality: openai.ImageGenerateParamsQualityHigh,
			OutputFormat: openai.ImageGenerateParamsOutputFormatJPEG, OutputCompression: openai.Int(95),
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(reply.Data) != 2 || reply.Size != "128x128" || reply.Quality != "high" || reply.OutputFormat != "jpeg" || reply.Usage.OutputTokens != 32 {
			t.Errorf("got %d images, %s %s %s, %+v", len(reply.Data), reply.Size, reply.Quality, reply.OutputFormat, reply.Usage)
		}
		for _, datum := range reply.Data {
			shows(t, decodedPicture(t, datum.B64JSON, "jpeg"), greenStar)
		}
		jobs, err := s.client.Jobs(ctx, api.StateSucceeded, 1)
		if err != nil || jobs[0].Spec.Steps != 30 {
			t.Errorf("high quality is %d steps, %v", jobs[0].Spec.Steps, err)
		}
	})
	t.Run("by address", func(t *testing.T) {
		reply, err := client.Images.Generate(ctx, openai.ImageGenerateParams{Prompt: greenStar, ResponseFormat: openai.ImageGenerateParamsResponseFormatURL})
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.Get(reply.Data[0].URL)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		picture, kind, err := image.Decode(response.Body)
		if err != nil || kind != "png" || reply.Data[0].B64JSON != "" {
			t.Fatalf("%s: %v", kind, err)
		}
		shows(t, picture, greenStar)
	})
	t.Run("stream", func(t *testing.T) {
		stream := client.Images.GenerateStreaming(ctx, openai.ImageGenerateParams{Prompt: greenStar, PartialImages: openai.Int(3)})
		defer stream.Close()
		partials, completed := 0, 0
		for stream.Next() {
			switch event := stream.Current().AsAny().(type) {
			case openai.ImageGenPartialImageEvent:
				if event.PartialImageIndex != int64(partials) || event.Size != "128x128" || decodedPicture(t, event.B64JSON, "png").Bounds().Dx() != 128 {
					t.Errorf("partial image %d of %s", event.PartialImageIndex, event.Size)
				}
				partials++
			case openai.ImageGenCompletedEvent:
				shows(t, decodedPicture(t, event.B64JSON, "png"), greenStar)
				if event.Usage.OutputTokens != 16 || event.Quality != "medium" || event.Background != "opaque" || event.CreatedAt == 0 {
					t.Errorf("got %+v", event.Usage)
				}
				completed++
			default:
				t.Errorf("event %s", stream.Current().Type)
			}
		}
		if err := stream.Err(); err != nil || partials != 3 || completed != 1 {
			t.Errorf("%d partial images, %d completed, %v", partials, completed, err)
		}
	})
	t.Run("edit", func(t *testing.T) {
		start, mask := striped(128), image.NewNRGBA(image.Rect(0, 0, 128, 128))
		for y := 64; y < 128; y++ {
			for x := range 128 {
				mask.SetNRGBA(x, y, color.NRGBA{A: 255})
			}
		}
		file := func(p image.Image, name string) io.Reader { return namedFile{bytes.NewReader(pngOf(t, p)), name} }
		params := openai.ImageEditParams{
			Prompt: greenStar, Model: "shapes", Mask: file(mask, "mask.png"),
			Image: openai.ImageEditParamsImageUnion{OfFile: file(start, "image.png")},
		}
		reply, err := client.Images.Edit(ctx, params)
		if err != nil {
			t.Fatal(err)
		}
		got := decodedPicture(t, reply.Data[0].B64JSON, "png")
		changed := 0
		for y := range 128 {
			for x := range 128 {
				same := color.NRGBAModel.Convert(got.At(x, y)) == start.At(x, y)
				if y >= 64 && !same {
					t.Fatalf("pixel %d,%d changed, the mask leaves it out", x, y)
				}
				if !same {
					changed++
				}
			}
		}
		if changed < 4096 || reply.Usage.InputTokensDetails.ImageTokens != 32 {
			t.Errorf("%d pixels changed, %+v", changed, reply.Usage)
		}

		params.Mask, params.Image = nil, openai.ImageEditParamsImageUnion{OfFileArray: []io.Reader{file(start, "image.png")}}
		stream := client.Images.EditStreaming(ctx, params)
		defer stream.Close()
		var events []string
		for stream.Next() {
			events = append(events, stream.Current().Type)
			decodedPicture(t, stream.Current().B64JSON, "png")
		}
		if err := stream.Err(); err != nil || len(events) != 1 || events[0] != "image_edit.completed" {
			t.Errorf("got %v, %v", events, err)
		}
	})
	t.Run("variation", func(t *testing.T) {
		original, err := client.Images.Generate(ctx, openai.ImageGenerateParams{Model: "shapes", Prompt: greenStar})
		if err != nil {
			t.Fatal(err)
		}
		body, _ := base64.StdEncoding.DecodeString(original.Data[0].B64JSON) // it was decoded before
		//lint:ignore SA1019 programs that were written when OpenAI had it still call it
		reply, err := client.Images.NewVariation(ctx, openai.ImageNewVariationParams{
			Image: namedFile{bytes.NewReader(body), "image.png"}, ResponseFormat: openai.ImageNewVariationParamsResponseFormatB64JSON,
		})
		if err != nil {
			t.Fatal(err)
		}
		if decodedPicture(t, reply.Data[0].B64JSON, "png").Bounds().Dx() != 128 || reply.Data[0].B64JSON == original.Data[0].B64JSON {
			t.Error("no variation of the picture")
		}
	})
	t.Run("models", func(t *testing.T) {
		page, err := client.Models.List(ctx)
		if err != nil || len(page.Data) != 1 || page.Data[0].ID != "shapes" || page.Data[0].OwnedBy == "" {
			t.Fatalf("%+v, %v", page, err)
		}
		if m, err := client.Models.Get(ctx, "shapes"); err != nil || m.ID != "shapes" || m.Object != "model" {
			t.Errorf("%+v, %v", m, err)
		}
	})
	t.Run("errors", func(t *testing.T) {
		for name, c := range map[string]struct {
			params      openai.ImageGenerateParams
			status      int
			param, code string
		}{
			"several faults": {openai.ImageGenerateParams{N: openai.Int(0)}, 400, "prompt", "missing_required_parameter"},
			"the size":       {openai.ImageGenerateParams{Prompt: greenStar, Size: "100x100"}, 400, "size", "invalid_value"},
			"the model":      {openai.ImageGenerateParams{Prompt: greenStar, Model: "nobody-has-this"}, 404, "model", "model_not_found"},
		} {
			_, err := client.Images.Generate(ctx, c.params)
			told, ok := errors.AsType[*openai.Error](err)
			if !ok || told.StatusCode != c.status || told.Param != c.param || told.Code != c.code || told.Message == "" || told.Response.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s: %v %+v", name, err, told)
			}
			stream := client.Images.GenerateStreaming(ctx, c.params)
			if told, ok := errors.AsType[*openai.Error](stream.Err()); stream.Next() || !ok || told.Code != c.code {
				t.Errorf("%s, streamed: %v", name, stream.Err())
			}
		}
	})
}

// The client sends a request again when the connection is lost. With an idempotency key the picture
// is made once.
func TestOpenAIsGoClientRetries(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.join(s.url, "fake")
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	lossy := httputil.NewSingleHostReverseProxy(target)
	lossy.ModifyResponse = func(*http.Response) error {
		if calls.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	between := httptest.NewServer(lossy)
	defer between.Close()
	client := s.openAI(between.URL)
	reply, err := client.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: "fake", Prompt: "fake:step=1ms"}, option.WithHeader("Idempotency-Key", "one"))
	if err != nil {
		t.Fatal(err)
	}
	decodedPicture(t, reply.Data[0].B64JSON, "png")
	if jobs, err := s.client.Jobs(t.Context(), "", 10); err != nil || len(jobs) != 1 || calls.Load() != 2 {
		t.Errorf("%d jobs of %d calls, %v", len(jobs), calls.Load(), err)
	}
}

// A client that goes away ends its job, and one that may come again with its key does not.
func TestOpenAIClientsThatGoAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.join(s.url, "fake")
	client := s.openAI(s.url)
	leave := func(prompt string, call func(context.Context, openai.ImageGenerateParams) error) api.Job {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- call(ctx, openai.ImageGenerateParams{Model: "fake", Prompt: prompt}) }()
		job := s.running(s.newest(prompt).ID)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", prompt, err)
		}
		return job
	}
	waiting := func(options ...option.RequestOption) func(context.Context, openai.ImageGenerateParams) error {
		return func(ctx context.Context, p openai.ImageGenerateParams) error {
			_, err := client.Images.Generate(ctx, p, options...)
			return err
		}
	}
	streaming := func(ctx context.Context, p openai.ImageGenerateParams) error {
		stream := client.Images.GenerateStreaming(ctx, p)
		defer stream.Close()
		for stream.Next() {
		}
		return stream.Err()
	}
	canceled := func(j api.Job) bool { return j.State == api.StateCanceled }
	s.until(leave("fake:step=300ms waiting", waiting()).ID, "canceled", canceled)
	s.until(leave("fake:step=300ms streaming", streaming).ID, "canceled", canceled)

	again := option.WithHeader("Idempotency-Key", "again")
	job := leave("fake:step=150ms with a key", waiting(again))
	if err := waiting(again)(t.Context(), openai.ImageGenerateParams{Model: "fake", Prompt: "fake:step=150ms with a key"}); err != nil {
		t.Error(err)
	}
	if done := s.finished(job.ID); done.Attempt != 1 {
		t.Errorf("attempt %d", done.Attempt)
	}
}

// newest waits for a job with the prompt.
func (s *site) newest(prompt string) api.Job {
	s.t.Helper()
	for s.t.Context().Err() == nil {
		jobs, err := s.client.Jobs(s.t.Context(), "", 1)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(jobs) > 0 && jobs[0].Spec.Prompt == prompt {
			return jobs[0]
		}
	}
	return api.Job{}
}
