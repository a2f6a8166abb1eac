package config

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func open(t *testing.T, text string) *File {
	t.Helper()
	f, err := Open(fstest.MapFS{"c.json": {Data: []byte(text)}}, "c.json")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFieldsAndWhatStandsForThem(t *testing.T) {
	f := open(t, `{"n": 3, "null": null, "list": [1, 2], "x": 0.5, "yes": true, "name": "a", "token": {"content": "<t>", "normalized": true}}`)
	if f.Int("n", 1, 0, 9) != 3 || f.Int("null", 1, 0, 9) != 1 || f.Int("none", 2, 0, 9) != 2 {
		t.Error("Int")
	}
	if f.Float("x", 1) != 0.5 || f.Float("none", 1) != 1 || !f.Bool("yes", false) || f.String("name", "b") != "a" {
		t.Error("Float, Bool or String")
	}
	if !slices.Equal(f.Ints("n", 1, 2, 9), []int{3, 3}) || !slices.Equal(f.Ints("list", 1, 2, 9), []int{1, 2}) || !slices.Equal(f.Ints("none", 7, 2, 9), []int{7, 7}) {
		t.Error("Ints")
	}
	if got, normalized := f.Token("token", ""); got != "<t>" || !normalized {
		t.Error("Token of an object")
	}
	if got, normalized := f.Token("name", ""); got != "a" || normalized {
		t.Error("Token of a string")
	}
	f.Only("n", 3)
	f.Only("list", []int{1, 2})
	f.Only("null", "anything")
	f.Only("none", "anything")
	if err := f.Err(); err != nil {
		t.Error(err)
	}
}

func TestFaultsNameFileFieldAndValue(t *testing.T) {
	for _, c := range []struct {
		name string
		read func(*File)
		want string
	}{
		{"not a number", func(f *File) { f.Int("s", 1, 0, 9) }, `s is "text": it must be a whole number`},
		{"out of range", func(f *File) { f.Int("n", 1, 0, 9) }, "n is 10: it must be in 0 to 9"},
		{"fraction", func(f *File) { f.Int("x", 1, 0, 9) }, "x is 1.5"},
		{"too many entries", func(f *File) { f.Ints("list", 1, 3, 9) }, "list is [1,0]: it must have 3 entries"},
		{"entry out of range", func(f *File) { f.Ints("list", 1, 2, 9) }, "its entries must be in 1 to 9"},
		{"empty list", func(f *File) { f.List("empty", []int{1}, 3, 9) }, "empty is []"},
		{"long list", func(f *File) { f.List("list", []int{1}, 1, 9) }, "1 to 1 entries"},
		{"not implemented", func(f *File) { f.Only("s", "a", "b") }, `s is "text": the builtin runtime implements only ["a" "b"]`},
		{"not a token", func(f *File) { f.Token("list", "") }, "list is [1,0]"},
		{"long value", func(f *File) { f.Bool("long", false) }, "aaa..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t, `{"s":"text","n":10,"x":1.5,"list":[1,0],"empty":[],"long":"`+strings.Repeat("a", 1000)+`"}`)
			c.read(f)
			err := f.Err()
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "c.json: ") || len(err.Error()) > 300 {
				t.Fatalf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestBadFilesAreErrors(t *testing.T) {
	for name, text := range map[string]string{"broken": "{", "list": "[]", "empty": "", "huge": strings.Repeat(" ", sizeLimit+1)} {
		if _, err := Open(fstest.MapFS{"c.json": {Data: []byte(text)}}, "c.json"); err == nil {
			t.Errorf("%s: the file was opened", name)
		}
	}
	if _, err := Open(fstest.MapFS{}, "c.json"); err == nil {
		t.Error("a missing file was opened")
	}
}
