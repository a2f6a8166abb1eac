package deepfellow

import "github.com/easelgrid/easel/coordinator/dialect"

// Describe is the OpenAPI document of the routes.
func (v *vendor) Describe() map[string]any {
	routes := v.Routes()
	routes[2].Path = "/v1/models/{id}" // as OpenAPI writes it
	document := dialect.OpenAPI("DeepFellow's images API, as easel speaks it", "Images and models. See docs/dialects.md for every field.",
		dialect.Schema{"type": "http", "scheme": "bearer"}, problemSchema,
		dialect.Operation{Route: routes[0], ID: "createImage", Summary: "Create images from a prompt.", Body: requestSchema(), Reply: responseSchema,
			Refusals: []int{400, 401, 402, 403, 404, 405, 409, 413, 422, 429, 500, 503}},
		dialect.Operation{Route: routes[1], ID: "listModels", Summary: "List the models.", Reply: modelsSchema, Refusals: readingRefusals},
		dialect.Operation{Route: routes[2], ID: "showModel", Summary: "Describe a model.", Path: []string{"id"}, Reply: modelSchema, Refusals: readingRefusals},
	)
	list := document["paths"].(map[string]any)[prefix+"/v1/models"].(map[string]any)["get"].(map[string]any)
	list["parameters"] = []any{map[string]any{"name": queryField, "in": "query", "schema": dialect.Schema{"type": "boolean"}}}
	return document
}

var readingRefusals = []int{400, 401, 403, 404, 405, 422, 429, 500, 503}

func text() dialect.Schema { return dialect.Schema{"type": "string"} }

func choice(of ...string) dialect.Schema { return dialect.Schema{"type": "string", "enum": of} }

func whole(least, most int) dialect.Schema {
	return dialect.Schema{"type": "integer", "minimum": least, "maximum": most}
}

// requestSchema allows more fields than it names, as the vendor's own server does.
func requestSchema() dialect.Schema {
	properties := map[string]dialect.Schema{
		"model": text(), "n": whole(1, maxImages), "quality": choice("low", "medium", "high", "auto"),
		"size":       {"type": "string", "pattern": `^(auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})$`},
		"background": choice("auto", "transparent", "opaque"), "output_format": choice("png", "webp", "jpeg"), "output_compression": whole(0, 100),
		"response_format": choice("b64_json"), "moderation": choice("low", "auto"), "style": choice("vivid", "natural"), "user": text(),
		"stream": {"type": "boolean", "enum": []any{false, nil}}, "partial_images": whole(0, 0),
	}
	for name, s := range properties {
		properties[name] = dialect.Nullable(s)
	}
	properties["prompt"] = dialect.Schema{"type": "string", "minLength": 1, "maxLength": 8192}
	return dialect.Shape(properties, "prompt")
}

func closed(properties map[string]dialect.Schema, required ...string) dialect.Schema {
	s := dialect.Shape(properties, required...)
	s["additionalProperties"] = false
	return s
}

func list(of dialect.Schema) dialect.Schema { return dialect.Schema{"type": "array", "items": of} }

var (
	count = dialect.Schema{"type": "integer"}

	responseSchema = closed(map[string]dialect.Schema{
		"created": count,
		"data":    list(closed(map[string]dialect.Schema{"b64_json": {"type": "string", "contentEncoding": "base64"}}, "b64_json")),
		"usage": closed(map[string]dialect.Schema{
			"input_tokens": count, "output_tokens": count, "total_tokens": count,
			"input_tokens_details": closed(map[string]dialect.Schema{"image_tokens": count, "text_tokens": count}, "image_tokens", "text_tokens"),
		}, "input_tokens", "input_tokens_details", "output_tokens", "total_tokens"),
	}, "created", "data", "usage")

	modelSchema = closed(map[string]dialect.Schema{
		"id": text(), "object": {"const": "model"}, "created": count, "owned_by": text(),
		"props": closed(map[string]dialect.Schema{
			"type": text(), "endpoints": list(text()), "description": text(), "size": text(), "steps": count, "schedulers": list(text()),
		}, "type", "endpoints", "description", "size", "steps", "schedulers"),
	}, "id", "object", "created", "owned_by")

	modelsSchema = closed(map[string]dialect.Schema{"object": {"const": "list"}, "data": list(modelSchema)}, "object", "data")

	problemSchema = closed(map[string]dialect.Schema{"detail": {"oneOf": []any{
		dialect.Schema{"type": "string", "minLength": 1},
		dialect.Schema{"type": "array", "minItems": 1, "items": closed(map[string]dialect.Schema{
			"loc": list(text()), "msg": text(), "type": text(),
		}, "loc", "msg", "type")},
	}}}, "detail")
)
