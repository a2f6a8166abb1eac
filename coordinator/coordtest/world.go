// Package coordtest runs a whole coordinator for tests of its rooms: its own JetStream, HTTP server and
// websockets, a scripted node, and a plain dialect. Nothing of it is replaced by a stand-in.
package coordtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/datadir"
)

// A World is a coordinator that really runs.
type World struct {
	t     *testing.T
	Dir   string                // its data directory
	Where coordinator.Listening // of the current start
	Key   string                // the admin's
	Token string                // the first join token
	Stop  func() error          // and wait for its end; may be called twice
	Log   Lines                 // of all starts, unless Config.Log was changed
}

// Runtime is what scripted nodes have and what the coordinator knows from the start.
var Runtime = api.Runtime{
	Name: "test", Version: "1", Schedulers: []string{"DDIMScheduler", "EulerDiscreteScheduler"},
	Features: []string{"txt2img", "img2img", "lora"}, MaxPixels: 1 << 20, SizeStep: 8,
	Models: []api.Model{{
		Name: "shapes", Architecture: "sd1", Width: 128, Height: 128, Steps: 20, GuidanceScale: 5,
		Scheduler: "DDIMScheduler", LoRAs: []api.Adapter{{Name: "outline"}},
	}},
}

// New starts a coordinator on a fresh directory. Times are long, so that nothing ends by itself
// in a test that does not ask for it.
func New(t *testing.T, edit ...func(*coordinator.Config)) *World {
	t.Helper()
	w := &World{t: t, Dir: t.TempDir()}
	w.Start(edit...)
	w.Key, w.Token = w.Read(datadir.AdminKey), w.Read(datadir.JoinToken)
	return w
}

// Start starts the coordinator again on the same directory, after Stop.
func (w *World) Start(edit ...func(*coordinator.Config)) {
	w.t.Helper()
	ready, ended := make(chan coordinator.Listening, 1), make(chan error, 1)
	config := coordinator.Config{
		Data: w.Dir, Listen: "127.0.0.1:0", Version: "test", Models: []api.Runtime{Runtime},
		Heartbeat: time.Second, Lease: time.Minute, AcceptTimeout: time.Minute,
		Log:   slog.New(slog.NewTextHandler(testLog{w.t, &w.Log}, nil)),
		Ready: func(l coordinator.Listening) { ready <- l },
	}
	for _, e := range edit {
		e(&config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- coordinator.Run(ctx, config) }()
	stopped := false
	w.Stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	w.t.Cleanup(func() { w.Stop() })
	select {
	case w.Where = <-ready:
	case err := <-ended:
		stopped = true
		w.t.Fatalf("coordinator ended: %v", err)
	}
}

// testLog shows the coordinator's log with the test. An error in it is one of the test, and so is a
// prompt or a secret.
type testLog struct {
	t     *testing.T
	lines *Lines
}

func (l testLog) Write(b []byte) (int, error) {
	_, _ = l.lines.Write(b)
	text := strings.TrimSpace(string(b))
	l.t.Log(text)
	for _, bad := range []string{"level=ERROR", "circle", account.AdminKeyPrefix, "easel-join-1"} {
		if strings.Contains(text, bad) {
			l.t.Errorf("%q is in the log", bad)
		}
	}
	return len(b), nil
}

// Read returns the text of a file of the data directory.
func (w *World) Read(name string) string {
	w.t.Helper()
	body, err := os.ReadFile(filepath.Join(w.Dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// An Answer is a response read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Code is that of the error in the answer, "" for none.
func (a Answer) Code() api.Code {
	var reply struct {
		Error *api.Error `json:"error"`
	}
	if json.Unmarshal(a.Body, &reply) != nil || reply.Error == nil {
		return ""
	}
	return reply.Error.Code
}

// Decoded is the answer's JSON.
func Decoded[T any](t *testing.T, a Answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.Body, &v); err != nil {
		t.Fatalf("status %d: %v in %s", a.Status, err, a.Body)
	}
	return v
}

// Call sends a request with the admin key; header pairs replace or add to that.
func (w *World) Call(method, path, body string, header ...string) Answer {
	w.t.Helper()
	target := path
	if !strings.HasPrefix(path, "http") {
		target = w.Where.URL + path
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.Key)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return Answer{response.StatusCode, response.Header, read}
}

// Submit makes a job of a native request.
func (w *World) Submit(body string) api.Job {
	w.t.Helper()
	a := w.Call("POST", "/easel/v1/jobs", body)
	if a.Status != http.StatusAccepted {
		w.t.Fatalf("submit: %d %s", a.Status, a.Body)
	}
	return Decoded[api.Job](w.t, a)
}

// Job is a job as it is now.
func (w *World) Job(id string) api.Job {
	w.t.Helper()
	return Decoded[api.Job](w.t, w.Call("GET", "/easel/v1/jobs/"+id, ""))
}

// An Event is one server-sent event as it came.
type Event struct{ ID, Name, Data string }

// Follow opens a job's stream and returns its events; the channel closes with the stream.
func (w *World) Follow(id string) <-chan Event {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", w.Where.URL+"/easel/v1/jobs/"+id+"/events", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.Key)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		w.t.Fatalf("events: %d", response.StatusCode)
	}
	out := make(chan Event, 1000)
	go func() {
		defer close(out)
		defer response.Body.Close()
		body := new(bytes.Buffer)
		part := make([]byte, 4096)
		for {
			n, err := response.Body.Read(part)
			body.Write(part[:n])
			for {
				text, rest, ok := strings.Cut(body.String(), "\n\n")
				if !ok {
					break
				}
				body = bytes.NewBufferString(rest)
				out <- parseEvent(text)
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

func parseEvent(text string) (e Event) {
	for line := range strings.SplitSeq(text, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			e.ID = value
		case "event":
			e.Name = value
		case "data":
			e.Data = value
		}
	}
	return e
}

// Reach waits, by the job's own stream, until the job is as wanted.
func (w *World) Reach(id string, as func(api.Job) bool) api.Job {
	w.t.Helper()
	var job api.Job
	for e := range w.Follow(id) {
		if e.Name != "job" {
			continue
		}
		job = Decoded[api.Job](w.t, Answer{Body: []byte(e.Data)})
		if as(job) {
			return job
		}
	}
	w.t.Fatalf("job %s ended as %s (%v)", id, job.State, job.Error)
	return job
}

// In is for Reach.
func In(state api.State) func(api.Job) bool {
	return func(j api.Job) bool { return j.State == state }
}
