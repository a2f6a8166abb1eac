// Package easel holds the tests about the repository itself.
package easel

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/easelgrid/easel"

// house is which of our packages each room may import; docs/ARCHITECTURE.md gives the reasons. A room is a
// package with everything below it that is no room itself, and may import itself. "x/..." is x with
// everything below it.
var house = []struct {
	room string
	may  []string
}{
	{"api", nil},
	{"api/client", []string{"api", "internal/sse"}},
	{"internal/backoff", nil},
	{"internal/disk", nil},
	{"internal/ident", nil},
	{"internal/pin", nil},
	{"internal/sse", nil},

	{"gpu", nil},
	{"model", []string{"api"}},
	{"picture", []string{"api", "internal/disk", "picture/webp"}},
	{"picture/webp", nil},
	{"process", nil},
	{"runner", []string{"api", "picture", "process"}},
	{"runner/builtin", []string{"api", "model", "picture", "runner"}},
	{"runner/diffusers", []string{"internal/disk", "model"}},
	{"runner/fake", []string{"api", "picture", "runner"}},
	{"runner/runnertest", []string{"api", "runner"}},
	{"agent/settings", []string{"api"}},
	{"agent", []string{"agent/settings", "api", "gpu", "internal/...", "runner"}},

	{"coordinator/store", nil},
	{"coordinator/artifact", []string{"api", "internal/ident"}},
	{"coordinator/datadir", []string{"api", "internal/disk", "internal/pin"}},
	{"coordinator/outward", []string{"api"}},
	{"coordinator/catalog", []string{"api"}},
	{"coordinator/dialect", []string{"api", "internal/sse"}},
	{"coordinator/job", []string{"api", "coordinator/artifact", "coordinator/store", "internal/ident"}},
	{"coordinator/fleet", []string{"api", "coordinator/store", "internal/ident"}},
	{"coordinator/account", []string{"api", "coordinator/job", "coordinator/store", "internal/ident"}},
	{"coordinator/webhook", []string{"api", "coordinator/job", "coordinator/outward", "coordinator/store", "internal/backoff"}},
	{"coordinator/retention", []string{"api", "coordinator/artifact", "coordinator/job", "internal/ident"}},
	{"coordinator/offer", []string{"api", "coordinator/catalog", "coordinator/dialect", "coordinator/fleet"}},
	{"coordinator/session", []string{"api", "coordinator/fleet", "coordinator/job"}},
	{"coordinator/dispatch", []string{"api", "coordinator/fleet", "coordinator/job", "internal/ident"}},
	{"coordinator/intake", []string{"api", "coordinator/account", "coordinator/artifact", "coordinator/dialect", "coordinator/fleet",
		"coordinator/job", "coordinator/offer", "coordinator/outward", "coordinator/webhook"}},
	{"coordinator/httpapi", []string{"api", "coordinator/account", "coordinator/artifact", "coordinator/dialect/...", "coordinator/dispatch",
		"coordinator/fleet", "coordinator/intake", "coordinator/job", "coordinator/offer", "coordinator/session", "coordinator/store",
		"coordinator/webhook", "internal/ident", "internal/sse"}},
	{"coordinator", []string{"api", "coordinator/..."}},
	// Whole coordinators for tests of its rooms.
	{"coordinator/coordtest", []string{"api", "coordinator", "coordinator/...", "internal/..."}},
}

// onlyStandard may not import other modules either.
var onlyStandard = []string{"api", "api/client", "coordinator/outward", "internal/backoff", "internal/pin", "internal/sse"}

// A listed package is one of ours with what it imports.
type listed struct {
	name    string
	imports []string
}

func packages(t *testing.T) (list []listed) {
	t.Helper()
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
		list = append(list, listed{strings.TrimPrefix(p.ImportPath, module+"/"), p.Imports})
	}
	return list
}

func TestImportDirections(t *testing.T) {
	for _, p := range packages(t) {
		for _, problem := range wrongImports(p.name, p.imports) {
			t.Error(problem)
		}
	}
}

func wrongImports(pkg string, imports []string) []string {
	room, may := roomOf(pkg)
	if room == "" {
		return nil // cmd, e2e and scripts may import everything
	}
	var wrong []string
	for _, path := range imports {
		ours, own := strings.CutPrefix(path, module+"/")
		switch {
		case own && !allowed(pkg, room, ours, may):
			wrong = append(wrong, fmt.Sprintf("%s imports %s; the house allows it %v", pkg, ours, may))
		case !own && strings.Contains(strings.Split(path, "/")[0], ".") && slices.Contains(onlyStandard, room):
			wrong = append(wrong, fmt.Sprintf("%s imports %s; it may use the standard library only", pkg, path))
		}
	}
	return wrong
}

// roomOf is the room that a package is in, "" for those outside of the house.
func roomOf(pkg string) (room string, may []string) {
	for _, h := range house {
		if within(pkg, h.room) && len(h.room) > len(room) {
			room, may = h.room, h.may
		}
	}
	return room, may
}

func within(pkg, room string) bool { return pkg == room || strings.HasPrefix(pkg, room+"/") }

// allowed reports whether a package in a room may import another. Packages of one room may import each
// other, but a dialect knows no other dialect.
func allowed(pkg, room, other string, may []string) bool {
	if at, _ := roomOf(other); at == room {
		return room != "coordinator/dialect" || other == room || other == room+"/dialecttest" || pkg == room
	}
	for _, m := range may {
		below, all := strings.CutSuffix(m, "/...")
		if other == m || all && within(other, below) && (other != "coordinator" || below != "coordinator") {
			return true
		}
	}
	return false
}

// TestArchitectureShowsTheHouse holds the table in docs/ARCHITECTURE.md against the one above.
func TestArchitectureShowsTheHouse(t *testing.T) {
	page, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for line := range strings.SplitSeq(string(page), "\n") {
		if cells := strings.Split(line, " | "); len(cells) == 3 && strings.HasPrefix(line, "| `") {
			shown[strings.Trim(cells[0], "| `")] = strings.TrimSuffix(cells[2], " |")
		}
	}
	for _, h := range house {
		want := "nothing"
		if len(h.may) > 0 {
			want = "`" + strings.Join(h.may, "`, `") + "`"
		}
		if got := shown[h.room]; got != want {
			t.Errorf("%s: the page shows %q, want %q", h.room, got, want)
		}
	}
}

// TestHouseAllowsOnlyWhatIsImported keeps the table from allowing what nobody needs: every import that it lists
// is one that there is.
func TestHouseAllowsOnlyWhatIsImported(t *testing.T) {
	edges := map[string]map[string]bool{}
	for _, p := range packages(t) {
		room, _ := roomOf(p.name)
		for _, path := range p.imports {
			if ours, own := strings.CutPrefix(path, module+"/"); own {
				if edges[room] == nil {
					edges[room] = map[string]bool{}
				}
				edges[room][ours] = true
			}
		}
	}
	for _, h := range house {
		for _, m := range h.may {
			below, all := strings.CutSuffix(m, "/...")
			used := edges[h.room][m]
			for other := range edges[h.room] {
				used = used || all && within(other, below)
			}
			if !used {
				t.Errorf("%s may import %s and does not", h.room, m)
			}
		}
	}
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
		{"coordinator", module + "/coordinator/httpapi", false},
		{"coordinator/store", module + "/coordinator/job", true},
		{"coordinator/job", module + "/coordinator/dialect", true},
		{"coordinator/httpapi", module + "/coordinator/dialect/openai", false},
		{"coordinator/httpapi", module + "/coordinator", true},
		{"coordinator/fleet", module + "/coordinator/job", true},
		{"coordinator/job/jobtest", module + "/coordinator/job", false},
		{"coordinator/dialect/openai", module + "/coordinator/dialect", false},
		{"coordinator/dialect/openai", module + "/coordinator", true},
		{"coordinator/dialect/openai", module + "/coordinator/dialect/yescale", true},
		{"coordinator/dialect/dialecttest", module + "/e2e/grid", true},
		{"coordinator/dialect/dialecttest", module + "/agent", true},
		{"runner/builtin/nn", module + "/runner/builtin/matrix", false},
		{"runner/builtin/nn", module + "/runner/fake", true},
		{"picture", module + "/picture/webp", false},
		{"picture", module + "/runner", true},
		{"process", module + "/api", true},
		{"model", module + "/runner/builtin", true},
		{"runner", module + "/process", false},
		{"runner/diffusers", module + "/picture", true},
		{"agent", module + "/runner/builtin", true},
		{"agent", module + "/internal/pin", false},
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
