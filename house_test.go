// Package easel holds the tests about the repository itself.
package easel

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/easelgrid/easel"

// house says which of our packages each part of the house may import; docs/ARCHITECTURE.md gives
// the reasons. A part is a package with everything below it, the longest match counts.
var house = []struct {
	part string
	may  []string
}{
	{"api", nil},
	{"api/client", []string{"api", "internal/sse"}},
	{"gpu", nil},
	{"internal/backoff", nil},
	{"internal/disk", nil},
	{"internal/pin", nil},
	{"internal/sse", nil},
	{"runner", []string{"api", "internal/", "runner", "runner/webp"}},
	{"runner/builtin", []string{"api", "runner", "runner/builtin", "runner/runnertest"}},
	{"runner/fake", []string{"api", "runner", "runner/runnertest"}},
	{"runner/runnertest", []string{"api", "runner"}},
	{"runner/webp", nil},
	{"agent", []string{"api", "gpu", "internal/", "runner", "agent", "agent/settings"}},
	{"agent/settings", []string{"api"}},
	{"coordinator", []string{"api", "coordinator/", "internal/"}},
	{"coordinator/dialect", []string{"api", "coordinator/dialect"}},
	{"coordinator/dialect/dialecttest/grid", []string{"agent", "agent/settings", "api", "coordinator", "runner", "runner/fake"}}, // for tests only
	{"coordinator/outward", []string{"api"}},
	{"coordinator/catalog", []string{"api"}},
}

// onlyStandard may not import other modules either.
var onlyStandard = []string{"api", "api/client", "coordinator/outward", "internal/backoff", "internal/pin", "internal/sse"}

func TestImportDirections(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		for _, problem := range wrongImports(strings.TrimPrefix(p.ImportPath, module+"/"), p.Imports) {
			t.Error(problem)
		}
	}
}

func wrongImports(pkg string, imports []string) []string {
	part, may := "", []string(nil)
	for _, h := range house {
		if within(pkg, h.part) && len(h.part) > len(part) {
			part, may = h.part, h.may
		}
	}
	if part == "" {
		return nil // cmd, e2e and scripts may import everything
	}
	var wrong []string
	for _, path := range imports {
		ours, own := strings.CutPrefix(path, module+"/")
		switch {
		case own && !allowed(ours, may):
			wrong = append(wrong, fmt.Sprintf("%s imports %s; the house allows it %v", pkg, ours, may))
		case !own && strings.Contains(strings.Split(path, "/")[0], ".") && contains(onlyStandard, part):
			wrong = append(wrong, fmt.Sprintf("%s imports %s; it may use the standard library only", pkg, path))
		}
	}
	return wrong
}

func within(pkg, part string) bool { return pkg == part || strings.HasPrefix(pkg, part+"/") }

// allowed matches a package exactly, or by prefix within the importer's own part; a slash at the end
// allows everything below.
func allowed(pkg string, may []string) bool {
	for _, m := range may {
		if below, all := strings.CutSuffix(m, "/"); all && strings.HasPrefix(pkg, below+"/") ||
			pkg == m || strings.HasPrefix(m, "runner/") && within(pkg, m) {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func TestWrongImportsAreSeen(t *testing.T) {
	for _, test := range []struct {
		pkg, imports string
		wrong        bool
	}{
		{"api", "encoding/json", false},
		{"api", "github.com/google/uuid", true},
		{"api", module + "/runner", true},
		{"coordinator", module + "/api", false},
		{"coordinator", module + "/agent", true},
		{"coordinator", module + "/coordinator/dialect/openai", false},
		{"coordinator/dialect/openai", module + "/coordinator/dialect", false},
		{"coordinator/dialect/openai", module + "/coordinator", true},
		{"coordinator/dialect/openai", module + "/coordinator/dialect/yescale", true},
		{"runner/builtin/nn", module + "/runner/builtin/matrix", false},
		{"runner/builtin/nn", module + "/runner/fake", true},
		{"agent", module + "/runner/builtin", true},
		{"agent", module + "/internal/pin", false},
		{"agent", module + "/agent/settings", false},
		{"agent/settings", module + "/agent", true},
		{"api/client", module + "/internal/sse", false},
		{"api/client", module + "/internal/disk", true},
		{"internal/sse", module + "/api", true},
		{"internal/sse", "github.com/gorilla/websocket", true},
		{"internal/disk", "golang.org/x/sys/windows", false},
		{"cmd/easel", module + "/coordinator", false},
	} {
		t.Run(test.pkg+" imports "+test.imports, func(t *testing.T) {
			if got := wrongImports(test.pkg, []string{test.imports}); (len(got) > 0) != test.wrong {
				t.Errorf("got %v", got)
			}
		})
	}
}
