package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/easelgrid/easel/runner/builtin/config"
)

// sizeLimit bounds each of the tokenizer's files in bytes; CLIP's largest has 2 MB.
const sizeLimit = 32 << 20

// lengthLimit bounds model_max_length. Files without a limit of their own have 1e30 there.
const lengthLimit = 1 << 16

// Open reads a tokenizer directory: vocab.json and merges.txt, or else the same two from tokenizer.json, and
// tokenizer_config.json and special_tokens_map.json for the special tokens.
func Open(fsys fs.FS, dir string) (*Tokenizer, error) {
	t := &Tokenizer{symbols: byteSymbols()}
	lines, err := t.readTables(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := t.setMerges(lines); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := t.setSpecials(fsys, dir); err != nil {
		return nil, err
	}
	return t, nil
}

// readTables reads the vocabulary and returns the merges, one pair of tokens each.
func (t *Tokenizer) readTables(fsys fs.FS, dir string) ([][2]string, error) {
	vocabulary, err := read(fsys, path.Join(dir, "vocab.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return t.readCombined(fsys, path.Join(dir, "tokenizer.json"))
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(vocabulary, &t.vocabulary); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	merges, err := read(fsys, path.Join(dir, "merges.txt"))
	if err != nil {
		return nil, err
	}
	var pairs [][2]string
	for i, line := range strings.Split(string(merges), "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" || i == 0 && strings.HasPrefix(line, "#version") {
			continue
		}
		a, b, ok := strings.Cut(line, " ")
		if !ok || a == "" || b == "" || strings.Contains(b, " ") {
			return nil, fmt.Errorf("merges.txt: line %d is not two tokens", i+1)
		}
		pairs = append(pairs, [2]string{a, b})
	}
	return pairs, nil
}

// readCombined reads tokenizer.json, where a merge is a list of two tokens or a line.
func (t *Tokenizer) readCombined(fsys fs.FS, name string) ([][2]string, error) {
	data, err := read(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("there is no vocab.json, and: %w", err)
	}
	var file struct {
		Model struct {
			Type   string            `json:"type"`
			Vocab  map[string]int    `json:"vocab"`
			Merges []json.RawMessage `json:"merges"`
		} `json:"model"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if kind := file.Model.Type; kind != "BPE" {
		return nil, fmt.Errorf("tokenizer.json: model.type is %q, the builtin runtime implements only BPE", kind)
	}
	t.vocabulary = file.Model.Vocab
	var pairs [][2]string
	for i, raw := range file.Model.Merges {
		var pair []string
		if json.Unmarshal(raw, &pair) != nil {
			var line string
			if err := json.Unmarshal(raw, &line); err != nil {
				return nil, fmt.Errorf("tokenizer.json: merge %d: %w", i, err)
			}
			pair = strings.Split(line, " ")
		}
		if len(pair) != 2 {
			return nil, fmt.Errorf("tokenizer.json: merge %d is not two tokens", i)
		}
		pairs = append(pairs, [2]string(pair))
	}
	return pairs, nil
}

// setMerges turns pairs of tokens into pairs of ids. Earlier pairs come first when encoding; of two equal
// pairs the later counts, as in the reference.
func (t *Tokenizer) setMerges(pairs [][2]string) error {
	t.merges = make(map[[2]int]merge, len(pairs))
	for rank, p := range pairs {
		a, okA := t.vocabulary[p[0]]
		b, okB := t.vocabulary[p[1]]
		id, ok := t.vocabulary[p[0]+p[1]]
		if !okA || !okB || !ok {
			return fmt.Errorf("the merge %q needs a token that the vocabulary does not have", p)
		}
		t.merges[[2]int{a, b}] = merge{rank, id}
	}
	return nil
}

// setSpecials reads the special tokens. The configuration's own entry comes before the map's.
func (t *Tokenizer) setSpecials(fsys fs.FS, dir string) error {
	f, err := config.Open(fsys, path.Join(dir, "tokenizer_config.json"))
	if err != nil {
		return err
	}
	f.Only("tokenizer_class", "CLIPTokenizer", "CLIPTokenizerFast")
	f.Only("do_lower_case", true)
	f.Only("add_prefix_space", false)
	more, err := config.Open(fsys, path.Join(dir, "special_tokens_map.json"))
	if errors.Is(err, fs.ErrNotExist) {
		more, err = f, nil
	}
	if err != nil {
		return err
	}
	end := "<|endoftext|>"
	t.begin = t.special(f, more, "bos_token", "<|startoftext|>")
	t.end = t.special(f, more, "eos_token", end)
	t.unknown = t.special(f, more, "unk_token", end)
	t.pad = t.special(f, more, "pad_token", end)
	// The longer of two that begin alike is meant.
	slices.SortStableFunc(t.specials, func(a, b special) int { return len(b.text) - len(a.text) })
	if t.length = int(min(f.Float("model_max_length", 77), lengthLimit+1)); t.length < 2 || t.length > lengthLimit {
		f.Fault("model_max_length", "it must be in 2 to %d", lengthLimit)
	}
	return errors.Join(f.Err(), more.Err())
}

// special finds the id of one special token, given as a string or as an object with "content".
func (t *Tokenizer) special(f, more *config.File, field, missing string) int {
	if !f.Has(field) {
		f = more
	}
	text, normalized := f.Token(field, missing)
	id, ok := t.vocabulary[text]
	if !ok || text == "" {
		f.Fault(field, "the vocabulary has no token %q", text)
		return 0
	}
	if !slices.ContainsFunc(t.specials, func(s special) bool { return s.text == text }) {
		t.specials = append(t.specials, special{text, id, normalized})
	}
	return id
}

func read(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > sizeLimit {
		return nil, fmt.Errorf("%s: %d bytes are above the limit of %d", name, info.Size(), sizeLimit)
	}
	return fs.ReadFile(fsys, name)
}
