// Package grid starts a real coordinator and a real node in the test's own process, for tests of
// dialects. The node's runtime is a child as always: the fake one under the name of the shipped model.
package grid

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/easelgrid/easel/agent"
	"github.com/easelgrid/easel/agent/settings"
	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/fake"
)

const envRuntime = "EASEL_GRID_RUNTIME"

// model is the name of the shipped model, which catalogs in tests may serve.
var model = fake.New(fake.Options{Models: []string{"shapes"}})

// Main is the TestMain of a package that uses grids: its test binary is the runtime as well.
func Main(m *testing.M) {
	if os.Getenv(envRuntime) == "" {
		os.Exit(m.Run())
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := runner.Serve(model, os.Stdin, os.Stdout, log); err != nil {
		log.Error("serve", "error", err)
		os.Exit(1)
	}
}

// A Grid is a coordinator and a node.
type Grid struct {
	URL   string
	Admin string // an admin's API key
}

// Start waits until the coordinator serves. Everything ends with the test.
func Start(t *testing.T, catalog string) *Grid {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	known, err := model.Describe()
	if err != nil {
		t.Fatal(err)
	}
	ready, data := make(chan coordinator.Listening, 1), t.TempDir()
	failed := run(t, func(ctx context.Context) error {
		return coordinator.Run(ctx, coordinator.Config{
			Data: filepath.Join(data, "coordinator"), Listen: "127.0.0.1:0", Log: log, Catalog: catalog,
			Models: []api.Runtime{known}, Ready: func(l coordinator.Listening) { ready <- l },
		})
	})
	var l coordinator.Listening
	select {
	case l = <-ready:
	case err := <-failed:
		t.Fatalf("the coordinator ended: %v", err)
	}
	run(t, func(ctx context.Context) error {
		node := settings.Default()
		node.Coordinator, node.JoinToken, node.Data = l.URL, read(t, l.JoinTokenFile), filepath.Join(data, "agent")
		return agent.Run(ctx, agent.Config{
			Settings: node, Log: log,
			Commands: []agent.Command{{Name: "fake", Args: []string{os.Args[0]}, Env: []string{envRuntime + "=1", "GORACE=atexit_sleep_ms=0"}}},
		})
	})
	return &Grid{URL: l.URL, Admin: read(t, l.AdminKeyFile)}
}

// run ends what it starts with the test, the last first, and gives its error.
func run(t *testing.T, f func(context.Context) error) <-chan error {
	ctx, stop := context.WithCancel(context.Background())
	ended, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(ended)
		failed <- f(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return failed
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// Key makes a client's API key without limits, bound to a dialect unless that is "".
func (g *Grid) Key(t *testing.T, name, dialect string) string {
	t.Helper()
	a := g.Call(t, "POST", "/easel/v1/keys", "Bearer "+g.Admin, fmt.Sprintf(`{"name":%q,"role":"client","dialect":%q,"limits":{"requests_per_minute":0,"open_jobs":0}}`, name, dialect))
	var made struct{ Key string }
	if err := json.Unmarshal(a.Body, &made); err != nil || made.Key == "" {
		t.Fatalf("making a key gives %d %s", a.Status, a.Body)
	}
	return made.Key
}

// Settle waits until every job is settled.
func (g *Grid) Settle(t *testing.T) {
	t.Helper()
	var list struct{ Jobs []api.Job }
	if err := json.Unmarshal(g.Call(t, "GET", "/easel/v1/jobs", "Bearer "+g.Admin, "").Body, &list); err != nil {
		t.Fatal(err)
	}
	for _, job := range list.Jobs {
		g.Call(t, "GET", "/easel/v1/jobs/"+job.ID+"/events", "Bearer "+g.Admin, "") // ends when the job does
	}
}

// An Answer is what came of a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call sends a request with a body of JSON, or none where it is "". Header are further names and values.
func (g *Grid) Call(t *testing.T, method, path, authorization, body string, header ...string) Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return send(t, r)
}

// Fetch gets a picture by its signed address.
func Fetch(t *testing.T, address string) Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, r)
}

func send(t *testing.T, r *http.Request) Answer {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{response.StatusCode, response.Header, body}
}
