package nebulablock

import "github.com/easelgrid/easel/coordinator/dialect"

// Fields implements dialect.Dialect.
func (vendor) Fields() []dialect.Field {
	fields := []dialect.Field{
		{Name: "model", Use: dialect.Used, Note: "a name or alias of the catalog; default: the catalog's"},
		{Name: "model_name", Use: dialect.Used, Note: "the older name of `model`"},
		{Name: "prompt", Use: dialect.Used, Note: "required, at most 8192 bytes"},
		{Name: "negative_prompt", Use: dialect.Used, Note: "text or null"},
		{Name: "width", Use: dialect.Used, Note: "64 to 4096, rounded to the nearest multiple of 16; default: the catalog's"},
		{Name: "height", Use: dialect.Used, Note: "the same as `width`"},
		{Name: "num_steps", Use: dialect.Used, Note: "1 to 500; default: the catalog's"},
		{Name: "guidance_scale", Use: dialect.Used, Note: "0 to 50; default: the catalog's"},
		{Name: "seed", Use: dialect.Used, Note: "0 to 4294967295; random if -1 or absent"},
		{Name: "n", Use: dialect.Used, Note: "not documented, but replies have an `index`: 1 to 10, image i uses seed+i"},
		{Name: "image", Use: dialect.Used, Note: "PNG, JPEG or WebP in base64, plain or as a data URI, at most 20 MiB and 64 megapixels; with `mask` the white part is repainted, without it the whole picture"},
		{Name: "input_image", Use: dialect.Used, Note: "the older name of `image`"},
		{Name: "mask", Use: dialect.Used, Note: "of the same size as `image`; white is repainted"},
		{Name: "mask_image", Use: dialect.Used, Note: "the older name of `mask`"},
	}
	for i := range fields {
		fields[i].Request = generation
	}
	return fields
}
