package modelslab

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Limits of the vendor's that are not the model's.
const (
	maxSamples  = 4
	maxClipSkip = 8
	maxTrackID  = 256
)

// A generation is a request for images as it was decoded, before its model and pictures are known.
type generation struct {
	model   string
	job     api.JobRequest // what the model and the pictures do not decide
	init    string         // address, base64 or data URI
	mask    string
	check   *bool // safety_checker
	action  api.SafetyAction
	karras  bool // a wish
	base64  bool
	instant bool // the client wants no waiting
	hook    *dialect.Webhook
	tips    []string // what the client asked for and did not get
}

// decodeGeneration reads the fields of text2img, img2img and inpaint. Faults are noted in the form.
func decodeGeneration(f *form, request string) generation {
	g := generation{model: strings.TrimSpace(f.WideText("model_id"))}
	g.job.Prompt = f.must("prompt")
	g.job.NegativePrompt = f.WideText("negative_prompt")
	g.job.Width = dialect.Whole(f.WideInt("width", api.MinSide, api.MaxSide))
	g.job.Height = dialect.Whole(f.WideInt("height", api.MinSide, api.MaxSide))
	g.job.N = dialect.Whole(f.WideInt("samples", 1, maxSamples))
	g.job.Steps = dialect.Whole(f.WideInt(f.First("num_inference_steps", "steps"), 1, api.MaxSteps))
	g.job.GuidanceScale = f.WideNumber("guidance_scale", 0, api.MaxGuidanceScale)
	g.job.Scheduler = strings.TrimSpace(f.WideText("scheduler"))
	g.job.VAE = strings.TrimSpace(f.WideText("vae"))
	if seed := f.WideInt("seed", -1, api.MaxSeed); seed != nil && *seed >= 0 {
		g.job.Seed = seed
	}
	if skip := f.WideInt("clip_skip", 1, maxClipSkip); skip != nil {
		left := int(*skip) - 1 // the vendor counts the last layer as 1
		g.job.ClipSkip = &left
	}
	if merge := f.WideBool("tomesd"); merge != nil && *merge {
		share := 0.5
		g.job.TokenMerging = &share
	}
	karras := f.WideBool("use_karras_sigmas")
	g.karras = karras != nil && *karras
	g.job.SchedulerOptions.Algorithm = algorithm(f.WideText("algorithm_type"))
	g.job.LoRAs = decodeLoRAs(f)
	g.check, g.action = f.WideBool("safety_checker"), decodeSafety(f)
	g.decodePictures(f, request)
	g.decodeReply(f)
	g.decodeMissing(f, request)
	return g
}

// algorithm is diffusers' name for the vendor's.
func algorithm(name string) string {
	switch name = strings.TrimSpace(name); name {
	case "none":
		return ""
	case "dpmsolver+++":
		return "dpmsolver++"
	}
	return name
}

// decodeLoRAs reads two lists with commas that belong together.
func decodeLoRAs(f *form) []api.LoRA {
	names, strengths := list(f.WideText("lora_model")), list(f.WideText("lora_strength"))
	if len(names) == 0 {
		return nil
	}
	if len(strengths) > 0 && len(strengths) != len(names) {
		f.Fault("lora_strength", fmt.Sprintf("%d values", len(strengths)), fmt.Sprintf("as many as lora_model has: %d", len(names)))
		return nil
	}
	if len(names) > api.MaxLoRAs {
		f.Fault("lora_model", fmt.Sprintf("%d names", len(names)), fmt.Sprintf("at most %d", api.MaxLoRAs))
		return nil
	}
	var loras []api.LoRA
	for i, name := range names {
		l := api.LoRA{Name: name, Weight: 1}
		if len(strengths) > 0 {
			weight, err := strconv.ParseFloat(strengths[i], 64)
			if err != nil {
				f.Fault("lora_strength", api.Quote(strengths[i]), "numbers with commas between them")
				continue
			}
			l.Weight = weight
		}
		loras = append(loras, l)
	}
	return loras
}

func list(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

var safetyActions = map[string]api.SafetyAction{
	"sensitive_content_text": api.SafetyText, "blur": api.SafetyBlur, "pixelate": api.SafetyPixelate, "black": api.SafetyBlack,
}

func decodeSafety(f *form) api.SafetyAction {
	text := cmp.Or(strings.TrimSpace(f.WideText("safety_checker_type")), "sensitive_content_text")
	action, ok := safetyActions[text]
	if !ok {
		f.Fault("safety_checker_type", api.Quote(text), "one of sensitive_content_text, blur, pixelate, black")
	}
	return action
}

func (g *generation) decodePictures(f *form, request string) {
	if request == textToImage {
		return
	}
	g.init = f.must("init_image")
	if request == inpaint {
		g.mask = f.must("mask_image")
	}
	g.job.Strength = f.WideNumber("strength", 0, 1)
	if g.job.Strength == nil && request == imageToImage && g.job.Scheduler != api.InversionScheduler {
		usual := 0.7
		g.job.Strength = &usual
	}
}

// decodeReply reads how the client wants to be answered.
func (g *generation) decodeReply(f *form) {
	encoded, instant := f.WideBool("base64"), f.WideBool("instant_response")
	g.base64 = encoded != nil && *encoded
	g.instant = instant != nil && *instant
	hook := dialect.Webhook{URL: strings.TrimSpace(f.WideText("webhook")), TrackID: f.WideText("track_id")}
	if len(hook.TrackID) > maxTrackID {
		f.Fault("track_id", fmt.Sprintf("%d bytes", len(hook.TrackID)), fmt.Sprintf("at most %d bytes", maxTrackID))
	}
	if hook.URL == "" {
		return
	}
	address, err := url.Parse(hook.URL)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		f.Fault("webhook", api.Quote(hook.URL), "an address that begins with http:// or https://")
		return
	}
	g.hook = &hook
}

// decodeMissing refuses what nothing here can do, where it is asked for.
func (g *generation) decodeMissing(f *form, request string) {
	if on := f.WideBool("enhance_prompt"); on != nil && *on {
		// The vendor's own examples ask for it, as its default.
		g.tips = append(g.tips, "enhance_prompt: nothing here rewrites prompts; yours was used as it is")
	}
	f.refuse("enhance_style", "nothing here rewrites prompts")
	f.refuseYes("multi_lingual", "nothing here translates prompts")
	f.refuse("embeddings_model", "there are no embeddings")
	for _, field := range []string{"ip_adapter_id", "ip_adapter_image"} {
		f.refuse(field, "there are no IP adapters")
	}
	if request == textToImage {
		f.refuseYes("panorama", "no runtime makes panoramas")
		f.refuseYes("highres_fix", "no runtime makes an image in two sizes")
	}
	f.refuseYes("self_attention", "no runtime has self-attention guidance")
	f.refuseYes("upscale", "nothing here enlarges images")
}

// complete makes the job for a model. Pictures are not in it yet.
func (g generation) complete(m dialect.Model) api.JobRequest {
	job := g.job
	scheduler := cmp.Or(job.Scheduler, m.Scheduler)
	karras := api.SchedulerOptions{SigmaSchedule: "karras"}
	if g.karras && knownScheduler(scheduler) && len(karras.Faults(scheduler)) == 0 {
		job.SchedulerOptions.SigmaSchedule = karras.SigmaSchedule
	}
	check := m.ClosedVocabulary || m.SafetyChecker
	if g.check != nil {
		check = *g.check
	}
	job.SafetyCheck = &check
	if check {
		job.SafetyAction = g.action
	}
	return job
}
