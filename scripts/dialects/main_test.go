package main

import (
	"os"
	"strings"
	"testing"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/scripts/internal/between"
)

func TestPageIsUpToDate(t *testing.T) {
	t.Chdir("../..")
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	filled, err := between.Replace(string(old), begin, end, tables())
	if err != nil {
		t.Fatal(err)
	}
	if filled != string(old) {
		t.Errorf("%s is out of date: go run ./scripts/dialects -write", page)
	}
}

func TestRequestsWithOneTableShareIt(t *testing.T) {
	var out strings.Builder
	writeFields(&out, []dialect.Field{
		{Request: "a", Name: "n", Use: dialect.Used, Note: "1|2"}, {Request: "b", Name: "n", Use: dialect.Used, Note: "1|2"},
		{Request: "c", Name: "n", Use: dialect.Refused, Note: "never"},
	})
	want := "**a, b**\n\n| field | easel | notes |\n|---|---|---|\n| `n` | used | 1\\|2 |\n\n" +
		"**c**\n\n| field | easel | notes |\n|---|---|---|\n| `n` | refused with an error | never |\n\n"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
}
