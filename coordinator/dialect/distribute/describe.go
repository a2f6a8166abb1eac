package distribute

import (
	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Describe implements dialect.Dialect.
func (vendor) Describe() map[string]any {
	text := dialect.Schema{"type": "string"}
	item := dialect.Shape(map[string]dialect.Schema{"url": text, "revised_prompt": text}, "url", "revised_prompt")
	problem := dialect.Shape(map[string]dialect.Schema{"message": text}, "message")
	problem["additionalProperties"] = false
	key := dialect.Schema{
		"type": "apiKey", "in": "header", "name": "authorization",
		"description": "The key, alone or after `Bearer `.",
	}
	refusals := []int{400, 401, 402, 403, 404, 409, 413, 429, 500, 503}
	return dialect.OpenAPI("DistributeAI images", "The image API of DistributeAI as easel speaks it.", key, problem,
		dialect.Operation{
			Route: createRoute, ID: "createImages", Summary: "Start making pictures.",
			Body:     body(create),
			Reply:    dialect.Shape(map[string]dialect.Schema{"id": {"type": "string", "pattern": uuids}}, "id"),
			Refusals: refusals,
		},
		dialect.Operation{
			Route: resultRoute, ID: "imagesResult", Summary: "What became of pictures.",
			Body: dialect.Shape(map[string]dialect.Schema{"id": {"type": "string", "pattern": uuids}}, "id"),
			Reply: dialect.Shape(map[string]dialect.Schema{
				"id": text, "status": {"type": "string", "enum": states},
				"created": {"type": "string", "format": "date-time"}, "finished": {"type": "string", "format": "date-time"},
				"model": text, "results": {"type": "array", "items": item},
			}, "id", "status", "created", "model", "results"),
			Refusals: refusals,
		},
		dialect.Operation{
			Route: generateRoute, ID: "generateImages", Summary: "Make pictures and wait for them.",
			Body: body(generations),
			Reply: dialect.Shape(map[string]dialect.Schema{
				"created": {"type": "integer"},
				"data": {"type": "array", "items": dialect.Shape(map[string]dialect.Schema{
					"url": text, "b64_json": text, "revised_prompt": text,
				}, "revised_prompt")},
			}, "created", "data"),
			Refusals: refusals,
		})
}

// body is the schema of a request for pictures. Null is as good as absent for what is not required.
func body(kind string) dialect.Schema {
	formats := []string{"url"}
	if kind == generations {
		formats = append(formats, "b64_json")
	}
	optional := map[string]dialect.Schema{
		"seed":                {"type": "integer", "minimum": 0, "maximum": api.MaxSeed - api.MaxImages + 1},
		"style":               {"type": "string", "maxLength": maxPrompt},
		"guidance_scale":      {"type": "integer", "minimum": 1, "maximum": 10},
		"num_inference_steps": {"type": "integer", "minimum": 1, "maximum": 50},
		"n":                   {"type": "integer", "minimum": 1, "maximum": maxN, "default": 1},
		"response_format":     {"type": "string", "enum": formats, "default": "url"},
		"size":                {"type": "string", "pattern": sizes, "default": defaultSize},
	}
	properties := map[string]dialect.Schema{
		"model":  {"type": "string", "minLength": 1, "maxLength": maxModel},
		"prompt": {"type": "string", "minLength": 1, "maxLength": maxPrompt},
	}
	for name, schema := range optional {
		properties[name] = dialect.Nullable(schema)
	}
	return dialect.Shape(properties, "model", "prompt")
}
