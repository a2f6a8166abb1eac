package modelslab

import (
	"slices"

	"github.com/easelgrid/easel/coordinator/dialect"
)

// The requests, by whose fields they take.
const (
	textToImage  = "text2img"
	imageToImage = "img2img"
	inpaint      = "inpaint"
	controlNet   = "controlnet"
	fetch        = "fetch"
	verifyModel  = "verify_model"
	nsfwCheck    = "nsfw_image_check"
	uploadImage  = "upload_image"
	keyOnly      = "every request"
)

// A field is one that the vendor documents for a request.
type field struct {
	name   string
	schema string // of openapi.go
	use    dialect.Use
	note   string
}

var keyField = field{"key", "text", dialect.Used, "the API key; a bearer token works in its place"}

// generationFields are those of text2img, img2img and inpaint.
var generationFields = []field{
	{"model_id", "text", dialect.Used, "a name of the catalog; left out, the default model"},
	{"prompt", "prompt", dialect.Used, "required"},
	{"negative_prompt", "text", dialect.Used, "what the image should not show"},
	{"width", "side", dialect.Used, "a multiple of 8 from 64 to 4096; left out, the init image's or the model's"},
	{"height", "side", dialect.Used, "the same as width"},
	{"samples", "samples", dialect.Used, "1 to 4"},
	{"num_inference_steps", "steps", dialect.Used, "1 to 500, not only 21, 31 and 41; also as steps"},
	{"steps", "steps", dialect.Used, "another name of num_inference_steps, in the vendor's examples"},
	{"safety_checker", "yesNo", dialect.Used, "yes needs a model that can be checked; left out, what can be checked is"},
	{"safety_checker_type", "safety", dialect.Used, "default sensitive_content_text; without a check it has no effect"},
	{"enhance_prompt", "yesNo", dialect.Harmless, "nothing here rewrites prompts; yes is answered with a tip about that, because the vendor's examples send it"},
	{"enhance_style", "nothing", dialect.Refused, "nothing here rewrites prompts"},
	{"guidance_scale", "guidance", dialect.Used, "0 to 50"},
	{"seed", "seed", dialect.Used, "0 to 4294967295; null and -1 are random"},
	{"scheduler", "scheduler", dialect.Used, "one of the 18 schedulers, if the model supports it"},
	{"tomesd", "yesNo", dialect.Used, "yes merges half of the tokens; left out, none"},
	{"use_karras_sigmas", "yesNo", dialect.Used, "yes is followed where the scheduler has Karras sigmas and ignored elsewhere, because the vendor's examples send it with every scheduler"},
	{"algorithm_type", "algorithm", dialect.Used, "dpmsolver+++ is DPM-Solver++; an error with a scheduler that has no algorithm_type"},
	{"vae", "names", dialect.Used, "a VAE that a node has for the model"},
	{"lora_model", "names", dialect.Used, "up to 8 names, separated by commas"},
	{"lora_strength", "strengths", dialect.Used, "one number from -4 to 4 for each name in lora_model; left out, 1 each; without lora_model it has no effect"},
	{"clip_skip", "clipSkip", dialect.Used, "1 to 8; 1 is the last layer of the text encoder, 2 the one before"},
	{"webhook", "address", dialect.Used, "a public address that is notified when the job ends"},
	{"track_id", "trackID", dialect.Used, "comes back with the webhook; up to 256 bytes"},
	{"base64", "yesNo", dialect.Used, "yes gives plain base64 in output; pictures may be sent as an address, base64 or a data URI in any case"},
	{"temp", "yesNo", dialect.Harmless, "every address is temporary: signed, and valid for 24 hours unless configured otherwise"},
	{"instant_response", "yesNo", dialect.Used, "yes gives the processing reply at once"},
	{"self_attention", "onlyNo", dialect.Refused, "yes: no runtime has self-attention guidance"},
	{"upscale", "onlyNo", dialect.Refused, "yes: nothing here enlarges images"},
	{"multi_lingual", "onlyNo", dialect.Refused, "yes: nothing here translates prompts"},
	{"embeddings_model", "nothing", dialect.Refused, "there are no embeddings"},
	{"ip_adapter_id", "nothing", dialect.Refused, "there are no IP adapters"},
	{"ip_adapter_image", "nothing", dialect.Refused, "there are no IP adapters"},
	{"ip_adapter_scale", "anything", dialect.Harmless, "without an adapter it has no effect"},
	{"loadbalancer", "anything", dialect.Harmless, "jobs go to whichever node is free in any case"},
}

// textFields are those of text2img only.
var textFields = []field{
	{"panorama", "onlyNo", dialect.Refused, "yes: no runtime makes panoramas"},
	{"highres_fix", "onlyNo", dialect.Refused, "yes: no runtime makes an image in two sizes"},
}

// pictureFields are those of img2img and inpaint only.
var pictureFields = []field{
	{"init_image", "prompt", dialect.Used, "required; a public address, base64 or a data URI of PNG, JPEG or WebP, at most 20 MiB and 64 megapixels"},
	{"strength", "strength", dialect.Used, "more than 0, at most 1; left out, 0.7, and 1 with a mask"},
}

var maskField = field{"mask_image", "prompt", dialect.Used, "required; as large as init_image; white is repainted"}

// controlFields are documented for ControlNet, which is refused as a whole.
var controlFields = []string{
	"controlnet_model", "controlnet_type", "auto_hint", "guess_mode", "control_image", "controlnet_conditioning_scale",
}

// fieldsOf lists the documented fields of a request, without the key.
func fieldsOf(request string) []field {
	switch request {
	case textToImage:
		return slices.Concat(generationFields, textFields)
	case imageToImage:
		return slices.Concat(generationFields, pictureFields)
	case inpaint:
		return append(slices.Concat(generationFields, pictureFields), maskField)
	case controlNet:
		var all []field
		for _, name := range controlFields {
			all = append(all, field{name, "anything", dialect.Refused, "no runtime does ControlNet; the fields of img2img and inpaint are not checked either"})
		}
		return all
	case fetch:
		return []field{{"request_id", "id", dialect.Used, "required unless the id is in the path"}}
	case verifyModel:
		return []field{{"model_id", "prompt", dialect.Used, "required"}}
	case nsfwCheck:
		return []field{{"init_image", "prompt", dialect.Used, "required; needs a model with a safety checker, otherwise refused"}}
	case uploadImage:
		return []field{
			{"base64_image", "prompt", dialect.Used, "required; base64 or a data URI"},
			{"image_type", "imageType", dialect.Used, "png, jpeg or jpg; the picture's real format counts"},
		}
	}
	return nil
}

// Fields are the documented fields of all requests.
func (d *modelsLab) Fields() []dialect.Field {
	all := []dialect.Field{{Request: keyOnly, Name: keyField.name, Use: keyField.use, Note: keyField.note}}
	for _, request := range []string{textToImage, imageToImage, inpaint, controlNet, fetch, verifyModel, nsfwCheck, uploadImage} {
		for _, f := range fieldsOf(request) {
			all = append(all, dialect.Field{Request: request, Name: f.name, Use: f.use, Note: f.note})
		}
	}
	for _, verb := range refusedVerbs {
		all = append(all, dialect.Field{Request: verb, Name: "(the request)", Use: dialect.Refused, Note: notDone[verb]})
	}
	return all
}
