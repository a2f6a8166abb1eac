package api

import (
	"cmp"
	"fmt"
	"math"
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
	MaxImages        = 10
	MaxSeed          = 1<<32 - 1 // what PyTorch's CPU generator tells apart
	MaxLoRAs         = 8
	MaxLoRAWeight    = 4
	MaxClipSkip      = 8
	MaxTokenMerging  = 0.75
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
	OutputWidth    *int     `json:"output_width,omitempty"` // both or none
	OutputHeight   *int     `json:"output_height,omitempty"`
	Steps          *int     `json:"steps,omitempty"`
	GuidanceScale  *float64 `json:"guidance_scale,omitempty"`
	Scheduler      string   `json:"scheduler,omitempty"`
	Seed           *int64   `json:"seed,omitempty"`
	N              *int     `json:"n,omitempty"`
	LoRAs          []LoRA   `json:"loras,omitempty"`

	SchedulerOptions SchedulerOptions `json:"scheduler_options,omitzero"`

	VAE      string `json:"vae,omitempty"`
	ClipSkip *int   `json:"clip_skip,omitempty"`

	Mode      Mode     `json:"mode,omitempty"`
	InitImage []byte   `json:"init_image,omitempty"` // a PNG, JPEG or WebP file, base64 in JSON
	MaskImage []byte   `json:"mask_image,omitempty"`
	Strength  *float64 `json:"strength,omitempty"` // with an init image; 0.8 unless given

	TokenMerging *float64 `json:"token_merging,omitempty"`

	Format     Format     `json:"format,omitempty"`  // png unless given
	Quality    *int       `json:"quality,omitempty"` // of jpeg and webp; 90 unless given
	Background Background `json:"background,omitempty"`

	// SafetyCheck asks for a check; unless given, images are checked where the model can be.
	SafetyCheck  *bool        `json:"safety_check,omitempty"`
	SafetyAction SafetyAction `json:"safety_action,omitempty"` // black unless given
}

// Spec fills in the model's defaults and returns the spec together with every fault of the request.
// Random is the seed to use when none is given. What the model has is checked by Runtime.Check. The
// pictures of the request are described by [ReadInput]; Spec takes their faults in.
func (r JobRequest) Spec(m Model, random int64) (ImageSpec, []Fault) {
	scheduler := cmp.Or(r.Scheduler, m.Scheduler)
	defaults := m.defaults(scheduler)
	s := ImageSpec{
		Model:            m.Name,
		Prompt:           r.Prompt,
		NegativePrompt:   r.NegativePrompt,
		Steps:            or(r.Steps, defaults.Steps),
		GuidanceScale:    or(r.GuidanceScale, defaults.GuidanceScale),
		Scheduler:        scheduler,
		SchedulerOptions: r.SchedulerOptions,
		Seed:             or(r.Seed, random),
		N:                or(r.N, 1),
		LoRAs:            slices.Clone(r.LoRAs),
		VAE:              r.VAE,
		ClipSkip:         or(r.ClipSkip, 0),
		Mode:             r.Mode,
		TokenMerging:     or(r.TokenMerging, 0),
		OutputWidth:      or(r.OutputWidth, 0),
		OutputHeight:     or(r.OutputHeight, 0),
		Format:           cmp.Or(r.Format, FormatPNG),
		Background:       cmp.Or(r.Background, BackgroundOpaque),
		SafetyCheck:      or(r.SafetyCheck, m.ClosedVocabulary || m.SafetyChecker),
	}
	if s.LoRAs == nil {
		s.LoRAs = []LoRA{}
	}
	if named := func(l LoRA) bool { return l.Name == defaults.LoRA }; defaults.LoRA != "" && !slices.ContainsFunc(s.LoRAs, named) {
		s.LoRAs = append(s.LoRAs, LoRA{Name: defaults.LoRA, Weight: 1})
	}
	if r.Seed == nil {
		s.Seed = min(s.Seed, MaxSeed-MaxImages)
	}
	faults := r.pictures(&s, m)
	faults = append(faults, r.finish(&s)...)
	faults = sorted(append(faults, s.Faults()...))
	// A picture that cannot be read has every other fault as well.
	return s, slices.CompactFunc(faults, func(a, b Fault) bool { return a.Field == b.Field })
}

// defaults are the model's for a scheduler.
func (m Model) defaults(scheduler string) SchedulerDefaults {
	d := m.SchedulerDefaults[scheduler]
	d.Steps = cmp.Or(d.Steps, m.Steps)
	d.GuidanceScale = cmp.Or(d.GuidanceScale, m.GuidanceScale)
	return d
}

// finish fills in what depends on other fields, and lists what is given without the field it needs.
func (r JobRequest) finish(s *ImageSpec) []Fault {
	var faults []Fault
	if s.Format == FormatPNG {
		if r.Quality != nil {
			faults = append(faults, Fault{"quality", strconv.Itoa(*r.Quality), "only with format jpeg or webp: png has none"})
		}
	} else {
		s.Quality = or(r.Quality, 90)
	}
	if s.SafetyCheck {
		s.SafetyAction = cmp.Or(r.SafetyAction, SafetyBlack)
	} else if r.SafetyAction != "" {
		faults = append(faults, Fault{"safety_action", Quote(string(r.SafetyAction)), "only with safety_check"})
	}
	return faults
}

func sorted(faults []Fault) []Fault {
	slices.SortStableFunc(faults, func(a, b Fault) int { return strings.Compare(a.Field, b.Field) })
	return faults
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
	if s.OutputWidth != 0 || s.OutputHeight != 0 {
		for field, side := range map[string]int{"output_width": s.OutputWidth, "output_height": s.OutputHeight} {
			if side < 1 || side > MaxSide {
				add(field, strconv.Itoa(side), "1 to %d", MaxSide)
			}
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
	faults = append(faults, s.SchedulerOptions.Faults(s.Scheduler)...)
	faults = append(faults, s.inputFaults()...)
	return sorted(append(faults, s.optionFaults()...))
}

// optionFaults are those of what a request may leave out.
func (s ImageSpec) optionFaults() []Fault {
	var faults []Fault
	add := func(field, value, limit string, args ...any) {
		faults = append(faults, Fault{Field: field, Value: value, Limit: fmt.Sprintf(limit, args...)})
	}
	if s.VAE != "" && !PlainName(s.VAE) {
		add("vae", Quote(s.VAE), "a plain name of letters, digits, '.', '_' and '-'")
	}
	if s.ClipSkip < 0 || s.ClipSkip > MaxClipSkip {
		add("clip_skip", strconv.Itoa(s.ClipSkip), "0 to %d", MaxClipSkip)
	}
	if !(s.TokenMerging >= 0 && s.TokenMerging <= MaxTokenMerging) {
		add("token_merging", number(s.TokenMerging), "0 to %g", MaxTokenMerging)
	}
	// What a spec of an older coordinator lacks is as it was then: a PNG file, opaque.
	format, background := cmp.Or(s.Format, FormatPNG), cmp.Or(s.Background, BackgroundOpaque)
	if !slices.Contains([]Format{FormatPNG, FormatJPEG, FormatWebP}, format) {
		add("format", Quote(string(s.Format)), "png, jpeg or webp")
	} else if format != FormatPNG && (s.Quality < 1 || s.Quality > 100) {
		add("quality", strconv.Itoa(s.Quality), "1 to 100")
	}
	if background != BackgroundOpaque && background != BackgroundTransparent {
		add("background", Quote(string(s.Background)), "opaque or transparent")
	} else if background == BackgroundTransparent && format == FormatJPEG {
		add("background", "transparent", "opaque with format jpeg, which knows no transparency")
	}
	if s.SafetyCheck && !slices.Contains([]SafetyAction{SafetyBlack, SafetyBlur, SafetyPixelate, SafetyText}, s.SafetyAction) {
		add("safety_action", Quote(string(s.SafetyAction)), "black, blur, pixelate or text")
	}
	return faults
}

// unprintable reports whether a prompt may not have this rune. Control characters mean nothing to a
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
		if !(math.Abs(l.Weight) <= MaxLoRAWeight) {
			faults = append(faults, Fault{field + "weight", number(l.Weight), fmt.Sprintf("%d to %d", -MaxLoRAWeight, MaxLoRAWeight)})
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

// Check returns why this runtime cannot make the spec; nil when it can. The first missing thing is
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
	if s.VAE != "" && !slices.ContainsFunc(model.VAEs, func(a Adapter) bool { return a.Name == s.VAE }) {
		return Errorf(CodeModelNotFound, "vae: got %s, want one of %s", Quote(s.VAE), names(model.VAEs, func(a Adapter) string { return a.Name }))
	}
	faults := append(r.missing(s), model.faults(s)...)
	if offered := r.SchedulersOf(model); !slices.Contains(offered, s.Scheduler) {
		faults = append(faults, Fault{"scheduler", Quote(s.Scheduler), "one of " + strings.Join(offered, ", ")})
	}
	if r.MaxPixels > 0 && s.Width*s.Height > r.MaxPixels {
		faults = append(faults, Fault{"width x height", fmt.Sprintf("%d x %d = %d pixels", s.Width, s.Height, s.Width*s.Height), fmt.Sprintf("at most %d pixels", r.MaxPixels)})
	}
	if step := max(r.SizeStep, 1); s.Width%step != 0 || s.Height%step != 0 {
		faults = append(faults, Fault{"width x height", fmt.Sprintf("%d x %d", s.Width, s.Height), fmt.Sprintf("multiples of %d", step)})
	}
	return Invalid(faults)
}

// SchedulersOf are those of the runtime that the model works with.
func (r Runtime) SchedulersOf(m Model) []string {
	if len(m.Schedulers) > 0 {
		return m.Schedulers
	}
	return r.Schedulers
}

// missing lists the fields that need a feature the runtime lacks.
func (r Runtime) missing(s ImageSpec) []Fault {
	var faults []Fault
	need := func(asked bool, feature, field string) {
		if asked && !slices.Contains(r.Features, feature) {
			faults = append(faults, Fault{Field: field, Limit: "nothing: the runtime " + r.Name + " does no " + feature})
		}
	}
	need(s.InitImage != nil && s.MaskImage == nil && s.Mode == "", FeatureImg2Img, "init_image")
	need(s.MaskImage != nil, FeatureInpaint, "mask_image")
	need(s.Mode == ModeInversion, FeatureInversion, "mode")
	need(len(s.LoRAs) > 0, FeatureLoRA, "loras")
	need(s.ClipSkip > 0, FeatureClipSkip, "clip_skip")
	need(s.TokenMerging > 0, FeatureTokenMerging, "token_merging")
	need(s.VAE != "", FeatureVAE, "vae")
	return faults
}

// faults lists what this model cannot do of a spec.
func (m Model) faults(s ImageSpec) []Fault {
	var faults []Fault
	if s.ClipSkip > 0 && s.ClipSkip > m.TextLayers {
		faults = append(faults, Fault{"clip_skip", strconv.Itoa(s.ClipSkip), fmt.Sprintf("at most %d, the layers of the text encoder of model %s", m.TextLayers, m.Name)})
	}
	if s.Background == BackgroundTransparent && !m.PlainBackground {
		faults = append(faults, Fault{"background", "transparent", "opaque: model " + m.Name + " does not draw on a plain background that could be taken away"})
	}
	if s.SafetyCheck && !m.SafetyChecker && !m.ClosedVocabulary {
		faults = append(faults, Fault{"safety_check", "true", "false: model " + m.Name + " has no safety checker"})
	}
	return faults
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
