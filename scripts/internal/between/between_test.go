package between

import (
	"os"
	"path/filepath"
	"testing"
)

const begin, end = "<!-- begin -->", "<!-- end -->"

func TestReplace(t *testing.T) {
	for _, test := range []struct{ name, document, want string }{
		{"empty", "a\n" + begin + end + "\nz\n", "a\n" + begin + "\n\nnew\n\n" + end + "\nz\n"},
		{"again", "a\n" + begin + "\n\nold\nold\n\n" + end + "\nz\n", "a\n" + begin + "\n\nnew\n\n" + end + "\nz\n"},
		{"a second pair stays", begin + end + begin + "x" + end, begin + "\n\nnew\n\n" + end + begin + "x" + end},
		{"no end", "a\n" + begin + "\nz\n", ""},
		{"no begin", "a\n" + end + "\nz\n", ""},
		{"the wrong order", end + "\n" + begin, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Replace(test.document, begin, end, "\nnew\n")
			if (err != nil) != (test.want == "") || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestWriteLeavesAFileWithoutMarksAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	for _, test := range []struct{ document, want string }{
		{"text\n", "text\n"},
		{begin + "\n" + end + "\n", begin + "\n\nnew\n\n" + end + "\n"},
	} {
		if err := os.WriteFile(path, []byte(test.document), 0o600); err != nil {
			t.Fatal(err)
		}
		err := Write(path, begin, end, "new")
		if body, _ := os.ReadFile(path); string(body) != test.want || (err == nil) != (test.document != test.want) {
			t.Errorf("%q became %q, %v", test.document, body, err)
		}
	}
}
