package yescale

import (
	"strings"

	"github.com/easelgrid/easel/coordinator/dialect"
)

// Fields implements dialect.Dialect.
func (vendor) Fields() []dialect.Field {
	const (
		models  = "a name or alias of the catalog; default: the catalog's"
		prompts = "required, at most 1000 characters"
		ratios  = "from 1:3 to 3:1; without a size, picks the listed size of the nearest shape"
	)
	return []dialect.Field{
		{Request: generations, Name: "prompt", Use: dialect.Used, Note: prompts},
		{Request: generations, Name: "model", Use: dialect.Used, Note: models},
		{Request: generations, Name: "n", Use: dialect.Used, Note: "1 to 10, default 1"},
		{Request: generations, Name: "size", Use: dialect.Used, Note: "one of " + strings.Join(sizes, ", ") + "; default: the catalog's"},
		{Request: generations, Name: "response_format", Use: dialect.Used, Note: "`url` (default) or `b64_json`"},
		{Request: generations, Name: "aspect_ratio", Use: dialect.Used, Note: ratios},
		{Request: generations, Name: "quality", Use: dialect.Harmless},
		{Request: submission, Name: "model", Use: dialect.Used, Note: models},
		{Request: submission, Name: "task_type", Use: dialect.Used, Note: "`generate`, which is also the default; anything else is an error"},
		{Request: submission, Name: "prompt", Use: dialect.Used, Note: prompts},
		{Request: submission, Name: "config.size", Use: dialect.Used, Note: "`auto` or WIDTHxHEIGHT; default: the catalog's"},
		{Request: submission, Name: "config.aspect_ratio", Use: dialect.Used, Note: ratios},
		{Request: submission, Name: "config.background", Use: dialect.Used, Note: "`auto` and `opaque`; `transparent` if the model can"},
		{Request: submission, Name: "config.images", Use: dialect.Used, Note: "one address or one picture in base64, plain or as a data URI, to start from; several are an error"},
		{Request: submission, Name: "config.quality", Use: dialect.Harmless},
	}
}
