package api

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a request that hold for every model; a runtime may have lower ones of its own.
const (
	MaxPromptBytes   = 8 << 10
	MaxSteps         = 500
	MaxGuidanceScale = 50
	MaxImages        = 4
	MaxSeed          = 1<<32 - 1 // what PyTorch's CPU generator tells apart
	MaxLoRAs         = 8
	MaxSide          = 4096
	MinSide          = 64
	SizeStep         = 8
)

// A JobRequest is the body of POST /easel/v1/jobs. Only the prompt is required; what is absent takes
// the model's default, and an absent seed is drawn at random.
type JobRequest struct {
	Model          string   `json:"model,omitempty"`
	Prompt         string   `json:"prompt"`
	NegativePrompt string   `json:"negative_prompt,omitempty"`
	Width          *int     `json:"width,omitempty"`
	Height         *int     `json:"height,omitempty"`
	Steps          *int     `json:"steps,omitempty"`
	GuidanceScale  *float64 `json:"guidance_scale,omitempty"`
	Scheduler      string   `json:"scheduler,omitempty"`
	Seed           *int64   `json:"seed,omitempty"`
	N              *int     `json:"n,omitempty"`
	LoRAs          []LoRA   `json:"loras,omitempty"`
}

// Spec fills in the model's defaults and returns the spec together with every fault of the request.
// Random is the seed to use when none is given. What the model has is checked by Runtime.Check.
func (r JobRequest) Spec(m Model, random int64) (ImageSpec, []Fault) {
	s := ImageSpec{
		Model:          m.Name,
		Prompt:         r.Prompt,
		NegativePrompt: r.NegativePrompt,
		Width:          or(r.Width, m.Width),
		Height:         or(r.Height, m.Height),
		Steps:          or(r.Steps, m.Steps),
		GuidanceScale:  or(r.GuidanceScale, m.GuidanceScale),
		Scheduler:      r.Scheduler,
		Seed:           or(r.Seed, random),
		N:              or(r.N, 1),
		LoRAs:          slices.Clone(r.LoRAs),
	}
	if s.Scheduler == "" {
		s.Scheduler = m.Scheduler
	}
	if s.LoRAs == nil {
		s.LoRAs = []LoRA{}
	}
	if r.Seed == nil {
		s.Seed = min(s.Seed, MaxSeed-MaxImages)
	}
	return s, s.Faults()
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// Faults lists everything in the spec that no model could do.
func (s ImageSpec) Faults() []Fault {
	var faults []Fault
	add := func(field, value, limit string, args ...any) {
		faults = append(faults, Fault{Field: field, Value: value, Limit: fmt.Sprintf(limit, args...)})
	}
	if strings.TrimSpace(s.Prompt) == "" {
		add("prompt", "", "a text that is not empty")
	}
	for field, text := range map[string]string{"prompt": s.Prompt, "negative_prompt": s.NegativePrompt} {
		if len(text) > MaxPromptBytes {
			add(field, fmt.Sprintf("%d bytes", len(text)), "at most %d bytes", MaxPromptBytes)
		} else if !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable) {
			add(field, "", "UTF-8 text without control characters other than tab and line break")
		}
	}
	for field, side := range map[string]int{"width": s.Width, "height": s.Height} {
		if side < MinSide || side > MaxSide || side%SizeStep != 0 {
			add(field, strconv.Itoa(side), "a multiple of %d from %d to %d", SizeStep, MinSide, MaxSide)
		}
	}
	if s.Steps < 1 || s.Steps > MaxSteps {
		add("steps", strconv.Itoa(s.Steps), "1 to %d", MaxSteps)
	}
	if !(s.GuidanceScale >= 0 && s.GuidanceScale <= MaxGuidanceScale) {
		add("guidance_scale", number(s.GuidanceScale), "0 to %d", MaxGuidanceScale)
	}
	if s.N < 1 || s.N > MaxImages {
		add("n", strconv.Itoa(s.N), "1 to %d", MaxImages)
	}
	if s.Seed < 0 || s.Seed > MaxSeed-int64(max(s.N, 1)-1) {
		add("seed", strconv.FormatInt(s.Seed, 10), "0 to %d", int64(MaxSeed)-int64(max(s.N, 1)-1))
	}
	faults = append(faults, loraFaults(s.LoRAs)...)
	slices.SortStableFunc(faults, func(a, b Fault) int { return strings.Compare(a.Field, b.Field) })
	return faults
}

// unprintable reports whether a prompt may not have this rune. Control characters say nothing to a
// model, and JSON makes six bytes of each: two prompts of them would not fit into a frame.
func unprintable(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }

func loraFaults(loras []LoRA) []Fault {
	var faults []Fault
	if len(loras) > MaxLoRAs {
		faults = append(faults, Fault{"loras", fmt.Sprintf("%d entries", len(loras)), fmt.Sprintf("at most %d", MaxLoRAs)})
		loras = loras[:MaxLoRAs]
	}
	seen := map[string]bool{}
	for i, l := range loras {
		field := fmt.Sprintf("loras[%d].", i)
		if !PlainName(l.Name) {
			faults = append(faults, Fault{field + "name", Quote(l.Name), "a plain name of letters, digits, '.', '_' and '-'"})
		} else if seen[l.Name] {
			faults = append(faults, Fault{field + "name", Quote(l.Name), "each LoRA once"})
		}
		seen[l.Name] = true
		if !(l.Weight >= 0 && l.Weight <= 1) {
			faults = append(faults, Fault{field + "weight", number(l.Weight), "0 to 1"})
		}
	}
	return faults
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// Quote shortens a value of a request for an error message.
func Quote(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:61], "") + "..."
	}
	return strconv.Quote(s)
}

// PlainName reports whether s can name a model or LoRA: 1 to 128 letters, digits, '.', '_', '-',
// not starting with a dot. Names never become paths, and this keeps them from looking like one.
func PlainName(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || path.Base(s) != s {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)) {
			return false
		}
	}
	return true
}

// FindModel returns the named model of the runtime.
func (r Runtime) FindModel(name string) (Model, bool) {
	i := slices.IndexFunc(r.Models, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return Model{}, false
	}
	return r.Models[i], true
}

// Check says why this runtime cannot make the spec; nil when it can. The first missing thing is
// named with what there is instead.
func (r Runtime) Check(s ImageSpec) error {
	model, ok := r.FindModel(s.Model)
	if !ok {
		return Errorf(CodeModelNotFound, "model: got %s, want one of %s", Quote(s.Model), names(r.Models, func(m Model) string { return m.Name }))
	}
	for i, l := range s.LoRAs {
		if !slices.ContainsFunc(model.LoRAs, func(a Adapter) bool { return a.Name == l.Name }) {
			return Errorf(CodeLoRANotFound, "loras[%d].name: got %s, want one of %s", i, Quote(l.Name), names(model.LoRAs, func(a Adapter) string { return a.Name }))
		}
	}
	var faults []Fault
	if !slices.Contains(r.Schedulers, s.Scheduler) {
		faults = append(faults, Fault{"scheduler", Quote(s.Scheduler), "one of " + strings.Join(r.Schedulers, ", ")})
	}
	if r.MaxPixels > 0 && s.Width*s.Height > r.MaxPixels {
		faults = append(faults, Fault{"width x height", fmt.Sprintf("%d x %d = %d pixels", s.Width, s.Height, s.Width*s.Height), fmt.Sprintf("at most %d pixels", r.MaxPixels)})
	}
	if step := max(r.SizeStep, 1); s.Width%step != 0 || s.Height%step != 0 {
		faults = append(faults, Fault{"width x height", fmt.Sprintf("%d x %d", s.Width, s.Height), fmt.Sprintf("multiples of %d", step)})
	}
	return Invalid(faults)
}

func names[T any](items []T, name func(T) string) string {
	if len(items) == 0 {
		return "none (nothing is installed)"
	}
	all := make([]string, len(items))
	for i, item := range items {
		all[i] = name(item)
	}
	return strings.Join(all, ", ")
}
