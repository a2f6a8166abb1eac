package prompt

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
	"github.com/easelgrid/easel/runner/builtin/textencoder"
	"github.com/easelgrid/easel/runner/builtin/tokenizer"
)

func load(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Open(os.DirFS("../model"), "tokenizer")
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// testCase is one row of the table that the diffusers runtime is held to as well.
type testCase struct {
	Name, Text string
	Repeat     int
	Pieces     *[][2]any       // text and weight
	Chunks     *[][][2]float64 // per chunk: how many tokens have which weight
	Error      string
}

func cases(t *testing.T) []testCase {
	data, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []testCase
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].Text = strings.Repeat(all[i].Text, max(all[i].Repeat, 1))
	}
	return all
}

func TestCasesOfBothRuntimes(t *testing.T) {
	tok := load(t)
	for _, c := range cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			chunks, err := Encode(tok, c.Text)
			if err != nil || c.Error != "" {
				if err == nil || err.Error() != c.Error {
					t.Fatalf("the error is %v, want %q", err, c.Error)
				}
				return
			}
			if c.Pieces != nil {
				comparePieces(t, c.Text, *c.Pieces)
			}
			if c.Chunks != nil {
				compareChunks(t, tok, chunks, *c.Chunks)
			}
		})
	}
}

func comparePieces(t *testing.T, text string, want [][2]any) {
	t.Helper()
	got, err := Parse(text)
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %v and the error %v, want %v", got, err, want)
	}
	for i, w := range want {
		weight := w[1].(float64)
		if got[i].Text != w[0].(string) || math.Abs(float64(got[i].Weight)-weight) > 1e-6*weight {
			t.Errorf("piece %d is %v, want %v", i, got[i], w)
		}
	}
}

func compareChunks(t *testing.T, tok *tokenizer.Tokenizer, got Chunks, want [][][2]float64) {
	t.Helper()
	if len(got.IDs) != len(want) || len(got.Weights) != len(want) {
		t.Fatalf("got %d chunks, want %d", len(got.IDs), len(want))
	}
	for i, runs := range want {
		weights := []float32{1}
		for _, run := range runs {
			weights = append(weights, slices.Repeat([]float32{float32(run[1])}, int(run[0]))...)
		}
		if end := got.IDs[i][len(weights)]; end != tok.End() {
			t.Errorf("chunk %d: behind the tokens is %d, want the end token", i, end)
		}
		weights = append(weights, slices.Repeat([]float32{1}, tok.Length()-len(weights))...)
		if !slices.Equal(got.Weights[i], weights) {
			t.Errorf("chunk %d has the weights %v, want %v", i, got.Weights[i], weights)
		}
	}
}

// statesTolerance is the largest relative error against transformers, both in float32.
const statesTolerance = 1e-5

func TestStatesAreThoseOfTheDiffusersRuntime(t *testing.T) {
	tok := load(t)
	model, err := textencoder.Open(os.DirFS("../model"), "text_encoder")
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Open(os.DirFS("testdata"), "states.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	var rows map[string]struct {
		Prompt, Negative string
		Skip             int
	}
	if err := json.Unmarshal([]byte(file.Metadata("prompts")), &rows); err != nil || len(rows) == 0 {
		t.Fatalf("%d prompts (%v)", len(rows), err)
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			positive, negative, err := Pair(tok, row.Prompt, row.Negative)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, file, name, encode(t, model, positive, row.Skip))
			if _, ok := file.Tensor(name + ".negative"); ok {
				agree(t, file, name+".negative", encode(t, model, negative, 0))
			}
		})
	}
}

func encode(t *testing.T, model *textencoder.Model, c Chunks, skip int) []float32 {
	t.Helper()
	var arena nn.Arena
	states, err := model.Forward(&arena, c.IDs, skip)
	if err != nil {
		t.Fatal(err)
	}
	c.Apply(states.Data, states.C)
	return states.Data
}

func agree(t *testing.T, file *safetensors.File, name string, got []float32) {
	t.Helper()
	tensor, ok := file.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	want, err := tensor.Float32s()
	if err != nil || len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d (%v)", name, len(got), len(want), err)
	}
	var difference, norm float64
	for i, w := range want {
		difference += float64(got[i]-w) * float64(got[i]-w)
		norm += float64(w) * float64(w)
	}
	if e := math.Sqrt(difference / norm); !(e <= statesTolerance) {
		t.Errorf("%s: relative error %.2g", name, e)
	} else {
		t.Logf("%s: relative error %.2g", name, e)
	}
}

func TestPairNamesEveryFault(t *testing.T) {
	tok := load(t)
	_, _, err := Pair(tok, strings.Repeat("red ", 10000), "(red:11)")
	want := "prompt: got 10000 tokens, want at most 600\nnegative_prompt: got the weight 11, want 0 to 10"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %q", err, want)
	}
}

func TestPairHasEquallyManyChunks(t *testing.T) {
	tok := load(t)
	short, long := "(red:1.5)", strings.Repeat("red ", 160)
	for _, c := range []struct{ name, prompt, negative string }{
		{"long prompt", long, short}, {"long negative prompt", short, long},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b, err := Pair(tok, c.prompt, c.negative)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.IDs) != 3 || len(b.IDs) != 3 || len(a.Weights) != 3 || len(b.Weights) != 3 {
				t.Fatalf("got %d and %d chunks, want 3 each", len(a.IDs), len(b.IDs))
			}
			if c.prompt == short {
				b = a
			}
			empty := tok.Encode("")
			if !slices.Equal(b.IDs[1], empty) || !slices.Equal(b.IDs[2], empty) {
				t.Errorf("the chunks that were added are %v", b.IDs[1:])
			}
		})
	}
}

func TestWeightsOfOneLeaveTheStatesAlone(t *testing.T) {
	tok := load(t)
	c, err := Encode(tok, "a [(red)] (circle:1.0)")
	if err != nil {
		t.Fatal(err)
	}
	nan := float32(math.NaN())
	states := slices.Repeat([]float32{0.1, nan, -1e-45}, tok.Length())
	want := slices.Clone(states)
	c.Apply(states, 3)
	for i := range want {
		if math.Float32bits(states[i]) != math.Float32bits(want[i]) {
			t.Fatalf("number %d became %g, was %g", i, states[i], want[i])
		}
	}
}

func TestApplyMultipliesTheTokensOnly(t *testing.T) {
	tok := load(t)
	c, err := Encode(tok, "a (red:1.5) circle")
	if err != nil {
		t.Fatal(err)
	}
	states := slices.Repeat([]float32{2, -4}, tok.Length())
	c.Apply(states, 2)
	want := slices.Repeat([]float32{2, -4}, tok.Length())
	want[4], want[5] = 3, -6 // behind the begin token and "a"
	if !slices.Equal(states, want) {
		t.Errorf("got %v", states)
	}
}

// Thousands of brackets must not take quadratic time; at a megabyte the test would run for hours.
func TestManyBracketsAreQuick(t *testing.T) {
	const n = 300_000
	for _, c := range []struct{ name, text string }{
		{"opening", strings.Repeat("(", n)}, {"nested", strings.Repeat("([", n) + "a" + strings.Repeat("])", n)},
		{"crossed", strings.Repeat("(", n) + strings.Repeat("[", n) + strings.Repeat(")", n) + "a"},
		{"one behind the other", strings.Repeat("(a)[b]", n)}, {"closing", strings.Repeat(")", n)},
		{"colons", strings.Repeat(":", n)}, {"a number", "(a:" + strings.Repeat("1", n)},
		{"colons with numbers", strings.Repeat("(a:1.1", n)}, {"colons with blanks", strings.Repeat(":  ", n)},
		{"backslashes", strings.Repeat(`\`, n)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse(c.text); err != nil && !strings.Contains(err.Error(), "weight") {
				t.Error(err)
			}
		})
	}
}

func TestEscapedTextIsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), promptText()).Draw(t, "text")
		got, err := Parse(Escape(text))
		want := []Piece{{text, 1}}
		if text == "" {
			want = nil
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %v (%v)", Escape(text), got, err)
		}
		got, err = Parse("(" + Escape(text) + ":1.5)")
		if text != "" {
			want[0].Weight = 1.5
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("with a weight, %q became %v (%v)", Escape(text), got, err)
		}
	})
}

// promptText makes prompts of which many have weights.
func promptText() *rapid.Generator[string] {
	parts := rapid.SampledFrom([]string{"(", ")", "[", "]", ":1.3)", ":.5 )", ":x)", `\`, `\(`, "red", " circle", " ", ":", "<|endoftext|>", "\u65e5"})
	return rapid.Map(rapid.SliceOfN(parts, 0, 300), func(s []string) string { return strings.Join(s, "") })
}

func TestChunksHoldEveryToken(t *testing.T) {
	tok := load(t)
	rapid.Check(t, func(t *rapid.T) {
		text := promptText().Draw(t, "text")
		pieces, err := Parse(text)
		if err != nil {
			t.Skip("too heavy")
		}
		c, err := Encode(tok, text)
		var ids []int
		var weights []float32
		for i, p := range pieces {
			if p.Text == "" || i > 0 && p.Weight == pieces[i-1].Weight {
				t.Fatalf("the pieces are %v", pieces)
			}
			tokens := tok.Tokens(p.Text, math.MaxInt)
			ids = append(ids, tokens...)
			weights = append(weights, slices.Repeat([]float32{p.Weight}, len(tokens))...)
		}
		if err != nil {
			if len(ids) <= 600 {
				t.Fatalf("%d tokens gave %v", len(ids), err)
			}
			return
		}
		for i, row := range c.IDs {
			n := min(len(ids), 75)
			if len(row) != 77 || row[0] != tok.Begin() || row[n+1] != tok.End() || !slices.Equal(row[1:n+1], ids[:n]) {
				t.Fatalf("chunk %d is %v, want %v in it", i, row, ids[:n])
			}
			if !slices.Equal(c.Weights[i][1:n+1], weights[:n]) || c.Weights[i][0] != 1 || c.Weights[i][n+1] != 1 {
				t.Fatalf("chunk %d has the weights %v, want %v", i, c.Weights[i], weights[:n])
			}
			ids, weights = ids[n:], weights[n:]
		}
		if len(ids) > 0 {
			t.Fatalf("%d tokens are in no chunk", len(ids))
		}
	})
}

func TestPlainPromptsAreThoseOfTheTokenizer(t *testing.T) {
	tok := load(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("red blue, :.\\'<|>1\u00e9")), 0, 70, -1), rapid.String()).Draw(t, "text")
		if strings.ContainsAny(text, "()[]") || strings.Contains(text, `\\`) || len(tok.Tokens(text, 76)) > 75 {
			t.Skip("not plain")
		}
		c, err := Encode(tok, text)
		if err != nil || len(c.IDs) != 1 || !slices.Equal(c.IDs[0], tok.Encode(text)) {
			t.Fatalf("got %v (%v), want %v", c.IDs, err, tok.Encode(text))
		}
	})
}

// FuzzParse looks for panics, weights out of bounds and pieces that do not come from the text.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "a (red:1.3) [circle", `\(\\`, "((a:0)b:10)", ":1.3)", "[(a]b)", "\xff(\xfe:+.5)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pieces, err := Parse(text)
		if err != nil {
			return
		}
		size := 0
		for i, p := range pieces {
			if p.Text == "" || !(p.Weight >= 0 && p.Weight <= MaxWeight) || i > 0 && p.Weight == pieces[i-1].Weight {
				t.Fatalf("the pieces are %v", pieces)
			}
			size += len(p.Text)
		}
		if size > len(text) {
			t.Fatalf("%d bytes became %d", len(text), size)
		}
	})
}
