package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"image"
	_ "image/jpeg"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/shapes"
)

// A program is one that was written for a vendor's API and knows nothing of easel.
type program struct {
	name    string
	dialect string   // the API key is bound to it
	tool    string   // environment variable that names what runs it
	script  []string // arguments before base URL and key
}

var programs = []program{
	{"openai for Python", "openai", "EASEL_CLIENTS_PYTHON", []string{"../scripts/clients/openai.py"}},
	{"openai for Node", "openai", "EASEL_CLIENTS_NODE", []string{"../scripts/clients/openai.mjs"}},
	{"modelslab-py", "modelslab", "EASEL_CLIENTS_PYTHON", []string{"../scripts/clients/modelslab.py"}},
}

// TestProgramsOfVendorsWorkUnchanged starts a coordinator and a node with the shipped model, points real
// client libraries at it, and looks at the pictures they got.
func TestProgramsOfVendorsWorkUnchanged(t *testing.T) {
	s := newSite(t, "--catalog", "../docs/examples/catalog-demo.yaml")
	s.join(s.url, "builtin")
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			tool := os.Getenv(p.tool)
			if tool == "" && os.Getenv("CI") == "true" {
				t.Fatalf("%s is not set: see scripts/clients/install", p.tool)
			}
			if tool == "" {
				t.Skipf("not checked: %s is not set, see scripts/clients/install", p.tool)
			}
			command := exec.CommandContext(t.Context(), tool, append(p.script, s.url, s.apiKey(p.dialect))...)
			out, err := command.CombinedOutput()
			t.Logf("%s\n%s", strings.Join(p.script, " "), out)
			if err != nil {
				t.Error(err)
			}
			s.judgeJobs(t)
		})
	}
}

// apiKey makes a key that is bound to a dialect.
func (s *site) apiKey(dialect string) string {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"name": dialect + "-" + rand.Text(), "role": "client", "dialect": dialect})
	if err != nil {
		s.t.Fatal(err)
	}
	var made struct {
		Key string `json:"key"`
	}
	s.post("/easel/v1/keys", body, &made)
	return made.Key
}

func (s *site) post(path string, body []byte, into any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.client.Key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode >= 300 || json.Unmarshal(answer.Bytes(), into) != nil {
		s.t.Fatalf("POST %s: %d %s", path, response.StatusCode, answer.Bytes())
	}
}

// judgeJobs looks at every picture whose prompt the shipped model understands.
func (s *site) judgeJobs(t *testing.T) {
	t.Helper()
	jobs, err := s.client.Jobs(t.Context(), api.StateSucceeded, 500)
	if err != nil {
		t.Fatal(err)
	}
	pictures, right := 0, 0
	for _, job := range jobs {
		scene, ok := shapes.Parse(job.Spec.Prompt)
		if !ok || job.Spec.MaskImage != nil {
			continue
		}
		for _, i := range job.Images {
			var body bytes.Buffer
			if err := s.client.Image(t.Context(), i.URL, &body); err != nil {
				t.Errorf("job %s: %v", job.ID, err)
				continue
			}
			picture, _, err := image.Decode(&body)
			if err != nil {
				continue // of a format without a decoder here
			}
			pictures++
			if v := shapes.Judge(scene, picture); v.Right() {
				right++
			} else {
				t.Logf("job %s, %s: %+v", job.ID, scene.Caption, v)
			}
		}
	}
	t.Logf("%d of %d pictures show what was asked", right, pictures)
	if pictures == 0 || right*10 < pictures*8 {
		t.Errorf("%d of %d pictures show what was asked, want at least 8 of 10", right, pictures)
	}
}
