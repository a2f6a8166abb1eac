package coordinator

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
)

// A world is a coordinator that really runs: its own JetStream, HTTP server and websockets.
type world struct {
	t     *testing.T
	dir   string
	where Listening
	key   string
	token string
	stop  func() error
}

var testRuntime = api.Runtime{
	Name: "test", Version: "1", Schedulers: []string{"DDIMScheduler", "EulerDiscreteScheduler"},
	Features: []string{"txt2img", "img2img", "lora"}, MaxPixels: 1 << 20, SizeStep: 8,
	Models: []api.Model{{
		Name: "shapes", Architecture: "sd1", Width: 128, Height: 128, Steps: 20, GuidanceScale: 5,
		Scheduler: "DDIMScheduler", LoRAs: []api.Adapter{{Name: "outline"}},
	}},
}

// newWorld starts a coordinator on a fresh directory. Times are long, so that nothing ends by itself
// in a test that does not ask for it.
func newWorld(t *testing.T, edit ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.start(edit...)
	w.key, w.token = w.read(adminKeyFile), w.read(joinTokenFile)
	return w
}

func (w *world) start(edit ...func(*Config)) {
	w.t.Helper()
	ready, ended := make(chan Listening, 1), make(chan error, 1)
	config := Config{
		Data: w.dir, Listen: "127.0.0.1:0", Version: "test", Models: []api.Runtime{testRuntime},
		Heartbeat: time.Second, Lease: time.Minute, AcceptTimeout: time.Minute,
		Log:   slog.New(slog.NewTextHandler(testLog{w.t}, nil)),
		Ready: func(l Listening) { ready <- l },
	}
	for _, e := range edit {
		e(&config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- Run(ctx, config) }()
	stopped := false
	w.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	w.t.Cleanup(func() { w.stop() })
	select {
	case w.where = <-ready:
	case err := <-ended:
		stopped = true
		w.t.Fatalf("coordinator ended: %v", err)
	}
}

// testLog shows the coordinator's log with the test. An error in it is one of the test, and so is a
// prompt or a secret.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	text := strings.TrimSpace(string(b))
	l.t.Log(text)
	for _, bad := range []string{"level=ERROR", "circle", adminKeyPrefix, joinTokenPrefix} {
		if strings.Contains(text, bad) {
			l.t.Errorf("%q is in the log", bad)
		}
	}
	return len(b), nil
}

func (w *world) read(name string) string {
	w.t.Helper()
	body, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// An answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) code() api.Code {
	var reply struct {
		Error *api.Error `json:"error"`
	}
	if json.Unmarshal(a.body, &reply) != nil || reply.Error == nil {
		return ""
	}
	return reply.Error.Code
}

func decoded[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("status %d: %v in %s", a.status, err, a.body)
	}
	return v
}

// call sends a request with the admin key; header pairs replace or add to that.
func (w *world) call(method, path, body string, header ...string) answer {
	w.t.Helper()
	target := path
	if !strings.HasPrefix(path, "http") {
		target = w.where.URL + path
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
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
	return answer{response.StatusCode, response.Header, read}
}

func (w *world) submit(body string) api.Job {
	w.t.Helper()
	a := w.call("POST", "/easel/v1/jobs", body)
	if a.status != http.StatusAccepted {
		w.t.Fatalf("submit: %d %s", a.status, a.body)
	}
	return decoded[api.Job](w.t, a)
}

func (w *world) job(id string) api.Job {
	w.t.Helper()
	return decoded[api.Job](w.t, w.call("GET", "/easel/v1/jobs/"+id, ""))
}

// A sentEvent is one server-sent event as it came.
type sentEvent struct{ id, name, data string }

// follow opens a job's stream and returns its events; the channel closes with the stream.
func (w *world) follow(id string) <-chan sentEvent {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", w.where.URL+"/easel/v1/jobs/"+id+"/events", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		w.t.Fatalf("events: %d", response.StatusCode)
	}
	out := make(chan sentEvent, 1000)
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

func parseEvent(text string) (e sentEvent) {
	for line := range strings.SplitSeq(text, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		}
	}
	return e
}

// reach waits, by the job's own stream, until the job is as wanted.
func (w *world) reach(id string, as func(api.Job) bool) api.Job {
	w.t.Helper()
	var job api.Job
	for e := range w.follow(id) {
		if e.name != "job" {
			continue
		}
		job = decoded[api.Job](w.t, answer{body: []byte(e.data)})
		if as(job) {
			return job
		}
	}
	w.t.Fatalf("job %s ended as %s (%v)", id, job.State, job.Error)
	return job
}

func in(state api.State) func(api.Job) bool {
	return func(j api.Job) bool { return j.State == state }
}
