package distribute

import "github.com/easelgrid/easel/coordinator/dialect"

// Fields implements dialect.Dialect.
func (vendor) Fields() []dialect.Field {
	fields := []dialect.Field{
		{Request: create, Name: "response_format", Use: dialect.Used, Note: "`url`; anything else is an error, because the result has no place for it"},
		{Request: generations, Name: "response_format", Use: dialect.Used, Note: "`url` (default) or `b64_json`"},
		{Request: result, Name: "id", Use: dialect.Used, Note: "a UUID of version 4, as `images/create` gave it"},
	}
	for _, request := range []string{create, generations} {
		for _, f := range []dialect.Field{
			{Name: "model", Use: dialect.Used, Note: "required; a name or alias of the catalog"},
			{Name: "prompt", Use: dialect.Used, Note: "required, at most 1000 characters"},
			{Name: "seed", Use: dialect.Used, Note: "0 to 4294967295, random unless given; image i uses seed+i"},
			{Name: "style", Use: dialect.Used, Note: "at most 1000 characters, appended to the prompt after a comma; OpenAI's `vivid` and `natural` change nothing"},
			{Name: "guidance_scale", Use: dialect.Used, Note: "a whole number from 1 to 10; default: the catalog's for the model"},
			{Name: "num_inference_steps", Use: dialect.Used, Note: "1 to 50; default: the catalog's for the model"},
			{Name: "n", Use: dialect.Used, Note: "1 to 10, default 1"},
			{Name: "size", Use: dialect.Used, Note: "each side 1 to 999 or 1024, default `768x768`, or the catalog's default if the model cannot make that; a size that the model cannot make is made at the nearest one it can, and resized"},
		} {
			f.Request = request
			fields = append(fields, f)
		}
	}
	return fields
}
