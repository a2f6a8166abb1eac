package diffusers

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// digests makes each case of model/testdata/directories.json on disk and answers with the digests that the worker
// gives them, or with its refusals.
const digests = `
import json, pathlib, sys, tempfile
sys.path.insert(0, ".")
from worker import digest, faults

def lay(root, case):
    def at(path):
        path = root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
    for path in case.get("directories", []):
        at(path).mkdir()
    for path, content in case.get("files", {}).items():
        at(path).write_bytes(content.encode())
    for path in case.get("links", {}):
        at(path)
    for path, target in case.get("links", {}).items():
        at(path).symlink_to(target.replace("ROOT", str(root)))

def answer(case):
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        lay(root, case)
        try:
            return {"digest": digest.of_tree(root / case["directory"])}
        except faults.Failure as failure:
            return {"refused": failure.message}

print(json.dumps([answer(case) for case in json.load(open(sys.argv[1], encoding="utf-8"))]))
`

// The worker names a model by the same digest as the builtin runtime, with links and without, and refuses the same.
func TestWorkerDigestsDirectoriesAsTheBuiltinRuntimeDoes(t *testing.T) {
	python, err := findPython(t.Context(), "")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("not checked: %v", err)
	}
	const table = "../../model/testdata/directories.json"
	body, err := os.ReadFile(table)
	check(t, err)
	var cases []struct{ Name, Digest, Refused string }
	check(t, json.Unmarshal(body, &cases))
	command := exec.CommandContext(t.Context(), python, "-B", "-c", digests, table)
	command.Stderr = t.Output()
	out, err := command.Output()
	check(t, err)
	var answers []struct{ Digest, Refused string }
	check(t, json.Unmarshal(out, &answers))
	if len(answers) != len(cases) {
		t.Fatalf("%d answers to %d cases", len(answers), len(cases))
	}
	for i, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			a := answers[i]
			if a.Digest != c.Digest || (a.Refused == "") != (c.Refused == "") || !strings.Contains(a.Refused, c.Refused) {
				t.Errorf("got %+v, want %+v", a, c)
			}
		})
	}
}
