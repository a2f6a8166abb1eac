package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var dialects = []string{"openai", "distribute", "modelslab", "nebulablock", "deepfellow", "yescale"}

// The vendors' documented curl examples, word for word but for host and key.
func TestVendorsOwnExamples(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("CI") == "true" {
			t.Fatal(err)
		} else if err != nil {
			t.Skipf("not checked: %v", err)
		}
	}
	s := newSite(t, "--catalog", "../docs/examples/catalog-demo.yaml")
	s.join(s.url, "builtin")
	for _, dialect := range dialects {
		t.Run(dialect, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "bash", "../scripts/clients/curl.sh", s.url, s.apiKey(dialect), dialect).CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// Whatever is sent, an answer is one that the OpenAPI document names, and never a failure of ours.
func TestDialectsAnswerAsTheyAreDescribed(t *testing.T) {
	python := os.Getenv("EASEL_CLIENTS_PYTHON")
	if python == "" && os.Getenv("CI") == "true" {
		t.Fatal("EASEL_CLIENTS_PYTHON is not set: see scripts/clients/install")
	}
	if python == "" {
		t.Skip("not checked: EASEL_CLIENTS_PYTHON is not set, see scripts/clients/install")
	}
	s := newSite(t, "--catalog", "../docs/examples/catalog-demo.yaml")
	s.join(s.url, "builtin")
	for _, dialect := range dialects {
		t.Run(dialect, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(python), "st"), "--no-color", "run",
				s.url+"/openapi/"+dialect+".json", "--url", s.url, "--header", "Authorization: Bearer "+s.apiKey(dialect),
				"--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
				"--max-examples", "15", "--max-time", "20", "--request-timeout", "60", "--seed", "1",
				"--suppress-health-check", "all", "--warnings", "off")
			command.Dir = t.TempDir()
			out, err := command.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
				return
			}
			t.Logf("%s", out[max(0, len(out)-600):])
		})
	}
}
