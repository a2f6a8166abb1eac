package nebulablock

import (
	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Describe implements dialect.Dialect.
func (vendor) Describe() map[string]any {
	text, whole, number := dialect.Schema{"type": "string"}, dialect.Schema{"type": "integer"}, dialect.Schema{"type": "number"}
	problem := dialect.Shape(map[string]dialect.Schema{
		"data": {"type": "null"}, "message": text, "status": {"type": "string", "const": "failed"},
	}, "data", "message", "status")
	pictures := dialect.Shape(map[string]dialect.Schema{
		"model": text, "object": {"type": "string", "const": "list"},
		"data": {"type": "array", "items": dialect.Shape(map[string]dialect.Schema{
			"timings": dialect.Shape(map[string]dialect.Schema{"inference": number}, "inference"),
			"index":   whole, "b64_json": text,
		}, "timings", "index", "b64_json")},
		"message": text, "status": {"type": "string", "const": "success"},
	}, "model", "object", "data", "message", "status")
	refusals := []int{400, 401, 402, 403, 404, 409, 413, 429, 500, 503}
	generate := dialect.Operation{
		Route: generateRoute, ID: "generateImage", Summary: "Make a picture and wait for it.",
		Body: body(), Reply: pictures, Refusals: refusals,
	}
	slip := generate
	slip.Route, slip.ID, slip.Summary = slipRoute, "generateImageByGet", "The same, as one of the vendor's samples has it."
	key := dialect.Schema{"type": "http", "scheme": "bearer"}
	return dialect.OpenAPI("Nebula Block images", "The image API of Nebula Block as easel speaks it.", key, problem,
		generate, slip,
		dialect.Operation{
			Route: modelsRoute, ID: "listModels", Summary: "The models of the catalog.",
			Reply: dialect.Shape(map[string]dialect.Schema{
				"data": dialect.Shape(map[string]dialect.Schema{
					"models": {"type": "array", "items": dialect.Shape(map[string]dialect.Schema{
						"model_name": text, "model_alias": text, "model_type": text,
						"context_length": dialect.Nullable(whole), "max_completion_tokens": dialect.Nullable(whole),
						"description": text, "price": number, "huggingface_url": dialect.Nullable(text),
					}, "model_name", "model_alias", "model_type", "context_length", "max_completion_tokens", "description", "price", "huggingface_url")},
				}, "models"),
				"message": text, "status": {"type": "string", "const": "success"},
			}, "data", "message", "status"),
			Refusals: []int{401, 403, 429, 500, 503},
		})
}

// pictureText is a picture in a text. A data URI is more than base64, so there is no contentEncoding.
var pictureText = dialect.Schema{"type": "string", "description": "base64, plain or as a data URI"}

// body is the schema of a request for pictures. Null is as good as absent for what is not required.
func body() dialect.Schema {
	properties := map[string]dialect.Schema{}
	for name, schema := range map[string]dialect.Schema{
		"model":           {"type": "string", "maxLength": maxModel},
		"model_name":      {"type": "string", "maxLength": maxModel},
		"negative_prompt": {"type": "string", "maxLength": maxPrompt},
		"width":           {"type": "integer", "minimum": minSide, "maximum": maxSide},
		"height":          {"type": "integer", "minimum": minSide, "maximum": maxSide},
		"num_steps":       {"type": "integer", "minimum": 1, "maximum": api.MaxSteps},
		"guidance_scale":  {"type": "number", "minimum": 0, "maximum": api.MaxGuidanceScale},
		"seed":            {"type": "integer", "minimum": -1, "maximum": api.MaxSeed - api.MaxImages + 1, "default": -1},
		"n":               {"type": "integer", "minimum": 1, "maximum": api.MaxImages, "default": 1},
		"image":           pictureText,
		"input_image":     pictureText,
		"mask":            pictureText,
		"mask_image":      pictureText,
	} {
		properties[name] = dialect.Nullable(schema)
	}
	properties["prompt"] = dialect.Schema{"type": "string", "minLength": 1, "maxLength": maxPrompt}
	return dialect.Shape(properties, "prompt")
}
