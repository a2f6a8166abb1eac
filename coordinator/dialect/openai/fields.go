package openai

import (
	"slices"

	"github.com/easelgrid/easel/coordinator/dialect"
)

// Fields are every documented field of OpenAI's requests for images.
func (v *vendor) Fields() []dialect.Field {
	return slices.Concat(
		of("images/generations",
			dialect.Field{Name: "prompt", Use: dialect.Used, Note: "required; at most 32,000 characters, and 8,192 bytes here"},
		), of("images/generations", common...), of("images/generations", streamed...), of("images/generations",
			dialect.Field{Name: "moderation", Use: dialect.Harmless, Note: "low or auto; pictures are checked if the model can check them"},
			dialect.Field{Name: "style", Use: dialect.Harmless, Note: "vivid or natural; the prompt decides what the picture looks like"},
			dialect.Field{Name: "svg", Use: dialect.Refused, Note: "no vector graphics are made"},
		),
		of("images/edits",
			dialect.Field{Name: "prompt", Use: dialect.Used, Note: "required; at most 32,000 characters, and 8,192 bytes here"},
			dialect.Field{Name: "image", Use: dialect.Used, Note: "required; one PNG, JPEG or WebP file of at most 20 MiB; several are refused"},
			dialect.Field{Name: "image[]", Use: dialect.Used, Note: "the same as image"},
			dialect.Field{Name: "mask", Use: dialect.Used, Note: "of the same size as image; what is fully transparent is repainted, the rest stays as it was"},
			dialect.Field{Name: "markup", Use: dialect.Refused, Note: "drawings on top of the image are not understood"},
			dialect.Field{Name: "input_fidelity", Use: dialect.Used, Note: "without mask: low is a strength of 0.8, high of 0.6; with mask it has no effect"},
		), of("images/edits", common...), of("images/edits", streamed...),
		of("images/variations",
			dialect.Field{Name: "image", Use: dialect.Used, Note: "required; one PNG, JPEG or WebP file of at most 20 MiB, of any shape"},
		), of("images/variations", common...),
		of("models/{id}", dialect.Field{Name: "id", Use: dialect.Used, Note: "a model's name or one of its aliases"}),
	)
}

func of(request string, fields ...dialect.Field) []dialect.Field {
	named := slices.Clone(fields)
	for i := range named {
		named[i].Request = request
	}
	return named
}

// common are the fields of all three requests for images.
var common = []dialect.Field{
	{Name: "model", Use: dialect.Used, Note: "a name or alias of the catalog; the catalog's default if absent"},
	{Name: "n", Use: dialect.Used, Note: "1 to 10; image i uses seed+i"},
	{Name: "size", Use: dialect.Used, Note: "auto or WIDTHxHEIGHT; auto is the model's own size, or the size of the image sent"},
	{Name: "response_format", Use: dialect.Used, Note: "url or b64_json. Default: url for variations, for models named dall-e, and for a request that names no model and uses no field of the GPT image models; otherwise b64_json"},
	{Name: "user", Use: dialect.Harmless, Note: "not kept"},
}

// streamed are the fields of generations and edits besides.
var streamed = []dialect.Field{
	{Name: "quality", Use: dialect.Used, Note: "low, medium, high, xhigh and max take 0.5, 1, 1.5, 2 and 3 times the model's steps; auto and standard are medium, hd is high"},
	{Name: "output_format", Use: dialect.Used, Note: "png, jpeg or webp; gif and svg are refused"},
	{Name: "output_compression", Use: dialect.Used, Note: "0 to 100, default 100: the quality of jpeg and webp, where 0 counts as 1 and webp at 100 is lossless. Less than 100 is refused with png"},
	{Name: "background", Use: dialect.Used, Note: "auto is opaque; transparent needs png or webp and a model that draws on a plain background"},
	{Name: "stream", Use: dialect.Used, Note: "server-sent events; images always in base64"},
	{Name: "partial_images", Use: dialect.Used, Note: "0 to 3 for each image, with stream; previews resized to the picture's size, at most 1,024 pixels, in jpeg or png, as the event's output_format states"},
	{Name: "safety_identifier", Use: dialect.Harmless, Note: "not kept"},
	{Name: "complexity", Use: dialect.Harmless, Note: "low, medium or high; nothing is planned before drawing"},
	{Name: "frame_count", Use: dialect.Refused, Note: "no animations are made"},
	{Name: "frame_duration_ms", Use: dialect.Refused, Note: "no animations are made"},
}
