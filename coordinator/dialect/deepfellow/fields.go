package deepfellow

import "github.com/easelgrid/easel/coordinator/dialect"

// Fields are every field of the vendor's page, and of the sources behind it.
func (v *vendor) Fields() []dialect.Field {
	const generations = "images/generations"
	return []dialect.Field{
		{Request: generations, Name: "prompt", Use: dialect.Used, Note: "required; at most 8,192 bytes. <sd>{json}</sd> in it is text, unless the API key allows settings in prompts: then negative_prompt, sampler_name, clip_skip, steps (1 to 50), cfg_scale (1 to 30), width, height and n_iter (1 to 4) override the request's other fields"},
		{Request: generations, Name: "model", Use: dialect.Used, Note: "a name or alias of the catalog; the catalog's default if absent or empty"},
		{Request: generations, Name: "n", Use: dialect.Used, Note: "1 to 4"},
		{Request: generations, Name: "size", Use: dialect.Used, Note: "WIDTHxHEIGHT, each 64 to 2048; auto is 512x512"},
		{Request: generations, Name: "quality", Use: dialect.Used, Note: "low, medium and high are 15, 20 and 35 steps; auto is the model's default"},
		{Request: generations, Name: "background", Use: dialect.Used, Note: "auto is opaque; transparent needs png or webp and a model that draws on a plain background"},
		{Request: generations, Name: "output_format", Use: dialect.Used, Note: "png, webp or jpeg"},
		{Request: generations, Name: "output_compression", Use: dialect.Used, Note: "0 to 100, default 95: the quality of webp and jpeg, where 0 counts as 1; no effect on png"},
		{Request: generations, Name: "response_format", Use: dialect.Used, Note: "b64_json; url is refused with 422, as the vendor does"},
		{Request: generations, Name: "moderation", Use: dialect.Harmless, Note: "low or auto; pictures are checked if the model can check them"},
		{Request: generations, Name: "style", Use: dialect.Harmless, Note: "vivid or natural; the prompt decides what the picture looks like"},
		{Request: generations, Name: "user", Use: dialect.Harmless, Note: "not kept"},
		{Request: generations, Name: "stream", Use: dialect.Refused, Note: "true is refused with 422, as the vendor does"},
		{Request: generations, Name: "partial_images", Use: dialect.Refused, Note: "more than 0 is refused with 422, as the vendor does"},
		{Request: "models", Name: queryField, Use: dialect.Used, Note: "true adds props to each model"},
	}
}
