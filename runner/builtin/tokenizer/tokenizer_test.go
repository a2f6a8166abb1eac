package tokenizer

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func load(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := Open(os.DirFS("../testdata/first"), "tokenizer")
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// files copies the test data's tokenizer, for tests that change it.
func files(t testing.TB) fstest.MapFS {
	t.Helper()
	from := os.DirFS("../testdata/first/tokenizer")
	out := fstest.MapFS{}
	for _, name := range []string{"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"} {
		data, err := fs.ReadFile(from, name)
		if err != nil {
			t.Fatal(err)
		}
		out[path.Join("tokenizer", name)] = &fstest.MapFile{Data: data}
	}
	return out
}

func TestFormIsAlwaysTheSame(t *testing.T) {
	tok := load(t)
	for _, c := range []struct{ name, prompt string }{
		{"nothing", ""}, {"blanks", " \t\n "}, {"a word", "cat"}, {"long", strings.Repeat("a red cat ", 200)},
		{"bytes that are no text", "\xff\xfe\x00cat"}, {"only special tokens", strings.Repeat("<|endoftext|>", 100)},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, tok, tok.Encode(c.prompt))
		})
	}
}

func check(t testing.TB, tok *Tokenizer, ids []int) {
	t.Helper()
	if len(ids) != tok.Length() || ids[0] != tok.begin || !slices.Contains(ids, tok.end) {
		t.Fatalf("the ids are %v", ids)
	}
	for _, id := range ids {
		if id < 0 || id >= tok.Size() {
			t.Fatalf("the id %d is outside of the vocabulary", id)
		}
	}
}

func TestTokensAreThoseOfEncode(t *testing.T) {
	tok := load(t)
	for _, c := range []struct {
		name, text string
		limit      int
	}{
		{"nothing", "", 75}, {"a few", "a photo of a red cat", 75}, {"special tokens", "red <|endoftext|> cat", 75},
		{"as many as there is room", strings.Repeat("cat ", 200), 75}, {"a word that is cut", strings.Repeat("x", 300), 75},
		{"the first three", "a photo of a red cat", 3}, {"none", "a cat", 0}, {"fewer than none", "a cat", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := tok.Tokens(c.text, c.limit)
			want := tok.Encode(c.text)[1 : 1+len(got)]
			if !slices.Equal(got, want) || len(got) > max(c.limit, 0) {
				t.Fatalf("got %v, want %v", got, want)
			}
		})
	}
	if got := len(tok.Tokens(strings.Repeat("cat ", 1000), 5000)); got != 1000 {
		t.Errorf("got %d tokens of 1000 words", got)
	}
	if tok.Begin() != tok.Encode("")[0] || tok.End() != tok.Encode("")[1] || tok.Pad() != tok.Encode("")[2] {
		t.Error("begin, end and pad are not those of an empty prompt")
	}
}

// A word as long as a book must not take quadratic time; the test would run for minutes.
func TestLongWordsAreQuick(t *testing.T) {
	tok := load(t)
	check(t, tok, tok.Encode(strings.Repeat("photo", 400_000)))
}

func TestCombinedFileGivesTheSame(t *testing.T) {
	plain, combined := files(t), files(t)
	var vocabulary map[string]int
	if err := json.Unmarshal(plain["tokenizer/vocab.json"].Data, &vocabulary); err != nil {
		t.Fatal(err)
	}
	var merges []any
	for i, line := range strings.Split(strings.TrimSpace(string(plain["tokenizer/merges.txt"].Data)), "\n")[1:] {
		if i%2 == 0 {
			merges = append(merges, line)
		} else {
			merges = append(merges, strings.Split(line, " "))
		}
	}
	data, err := json.Marshal(map[string]any{"model": map[string]any{"type": "BPE", "vocab": vocabulary, "merges": merges}})
	if err != nil {
		t.Fatal(err)
	}
	delete(combined, "tokenizer/vocab.json")
	delete(combined, "tokenizer/merges.txt")
	combined["tokenizer/tokenizer.json"] = &fstest.MapFile{Data: data}
	a, err := Open(plain, "tokenizer")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(combined, "tokenizer")
	if err != nil {
		t.Fatal(err)
	}
	if prompt := "a photo of the red cat they'll see"; !slices.Equal(a.Encode(prompt), b.Encode(prompt)) {
		t.Fatal("the two forms of the file differ")
	}
	if !maps.Equal(a.merges, b.merges) {
		t.Fatal("the merges of the two forms differ")
	}
}

func TestBadFilesAreErrors(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"vocabulary is not JSON", "vocab.json", "{", "vocab.json"},
		{"negative id", "vocab.json", `{"a": -1}`, "not in 0 to"},
		{"huge id", "vocab.json", `{"a": 99999999}`, "not in 0 to"},
		{"merge of three", "merges.txt", "#version: 0.2\na b c\n", "line 2"},
		{"merge of one", "merges.txt", "#version: 0.2\nab\n", "line 2"},
		{"merge outside", "merges.txt", "#version: 0.2\na \u00e9\u00e9\n", "does not have"},
		{"another class", "tokenizer_config.json", `{"tokenizer_class": "T5Tokenizer"}`, "T5Tokenizer"},
		{"no limit", "tokenizer_config.json", `{"model_max_length": 1e30}`, "model_max_length"},
		{"no room", "tokenizer_config.json", `{"model_max_length": 1}`, "model_max_length"},
		{"unknown special token", "special_tokens_map.json", `{"bos_token": "<s>"}`, "<s>"},
		{"empty special token", "tokenizer_config.json", `{"pad_token": ""}`, "pad_token"},
		{"special token without content", "tokenizer_config.json", `{"pad_token": {}}`, "pad_token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := files(t)
			f["tokenizer/"+c.file] = &fstest.MapFile{Data: []byte(c.text)}
			_, err := Open(f, "tokenizer")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
	for _, name := range []string{"vocab.json", "merges.txt", "tokenizer_config.json"} {
		f := files(t)
		delete(f, "tokenizer/"+name)
		if _, err := Open(f, "tokenizer"); err == nil {
			t.Errorf("without %s the tokenizer was opened", name)
		}
	}
}

// FuzzEncode looks for panics and for ids outside of the vocabulary.
func FuzzEncode(f *testing.F) {
	for _, prompt := range []string{"", "a photo of a red cat", "it's 2024, we'll see", "<|endoftext|>", "\u00ed\U0001f3a8\xff", "'s'S'"} {
		f.Add(prompt)
	}
	tok := load(f)
	f.Fuzz(func(t *testing.T, prompt string) {
		ids := tok.Encode(prompt)
		check(t, tok, ids)
		if again := tok.Encode(prompt); !slices.Equal(ids, again) {
			t.Fatal("the same prompt gave other ids")
		}
	})
}
