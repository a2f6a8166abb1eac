package openai

import (
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Describe is the OpenAPI document of the routes.
func (v *vendor) Describe() map[string]any {
	routes := v.Routes()
	routes[4].Path = "/v1/models/{id}" // as OpenAPI writes it
	document := dialect.OpenAPI("OpenAI's images API, as easel speaks it", "Images and models. See docs/dialects.md for every field.",
		dialect.Schema{"type": "http", "scheme": "bearer"}, problemSchema,
		dialect.Operation{Route: routes[0], ID: "createImage", Summary: "Create images from a prompt.", Body: generationSchema(), Reply: responseSchema, Refusals: makingRefusals},
		dialect.Operation{Route: routes[1], ID: "editImage", Summary: "Edit an image.", Body: editSchema(), Reply: responseSchema, Refusals: makingRefusals},
		dialect.Operation{Route: routes[2], ID: "varyImage", Summary: "Create images like another one.", Body: variationSchema(), Reply: responseSchema, Refusals: makingRefusals},
		dialect.Operation{Route: routes[3], ID: "listModels", Summary: "List the models.", Reply: modelsSchema, Refusals: readingRefusals},
		dialect.Operation{Route: routes[4], ID: "showModel", Summary: "Describe a model.", Path: []string{"id"}, Reply: modelSchema, Refusals: readingRefusals},
	)
	for _, path := range []string{pathGenerations, pathEdits} {
		streams(document, path)
	}
	for _, path := range []string{pathEdits, pathVariations} {
		takesForm(document, path)
	}
	return document
}

var (
	makingRefusals  = []int{400, 401, 403, 404, 405, 409, 413, 429, 500, 503}
	readingRefusals = []int{400, 401, 403, 404, 405, 429, 500, 503}
)

// streams adds to a reply that it may be a stream.
func streams(document map[string]any, path string) {
	reply := operation(document, path)["responses"].(map[string]any)["200"].(map[string]any)
	reply["content"].(map[string]any)["text/event-stream"] = map[string]any{"schema": dialect.Schema{"type": "string"}}
}

// takesForm makes a body one of multipart/form-data.
func takesForm(document map[string]any, path string) {
	body := operation(document, path)["requestBody"].(map[string]any)
	content := body["content"].(map[string]any)
	body["content"] = map[string]any{"multipart/form-data": content["application/json"]}
}

func operation(document map[string]any, path string) map[string]any {
	return document["paths"].(map[string]any)[path].(map[string]any)["post"].(map[string]any)
}

func text(limits ...any) dialect.Schema {
	s := dialect.Schema{"type": "string"}
	for i := 0; i+1 < len(limits); i += 2 {
		s[limits[i].(string)] = limits[i+1]
	}
	return s
}

func choice(of ...string) dialect.Schema { return dialect.Schema{"type": "string", "enum": of} }

// nothing is what a field may hold that is always refused.
func nothing() dialect.Schema { return dialect.Schema{"not": dialect.Schema{}} }

func whole(least, most int) dialect.Schema {
	return dialect.Schema{"type": "integer", "minimum": least, "maximum": most}
}

var (
	boolean   = dialect.Schema{"type": "boolean"}
	file      = dialect.Schema{"contentMediaType": "application/octet-stream"} // as OpenAPI 3.1 has files
	size      = text("pattern", `^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$`)
	prompt    = text("minLength", 1, "maxLength", maxPrompt)
	count     = dialect.Schema{"type": "integer"}
	formats   = []string{"png", "jpeg", "webp"}
	qualities = []string{"low", "medium", "high", "auto", "standard", "hd", "xhigh", "max"}
)

// properties are the fields of a request. In JSON each but the prompt may be null.
func properties(inJSON bool, more map[string]dialect.Schema, streaming bool) map[string]dialect.Schema {
	all := map[string]dialect.Schema{
		"model": text(), "n": whole(1, 10), "size": size, "response_format": choice("url", "b64_json"), "user": text(),
	}
	if streaming {
		for name, s := range map[string]dialect.Schema{
			"quality": choice(qualities...), "output_format": choice(formats...), "output_compression": whole(0, 100),
			"background": choice("transparent", "opaque", "auto"), "stream": boolean, "partial_images": whole(0, 3),
			"safety_identifier": text(), "complexity": choice("low", "medium", "high"),
			"frame_count": nothing(), "frame_duration_ms": nothing(),
		} {
			all[name] = s
		}
	}
	for name, s := range more {
		all[name] = s
	}
	if inJSON {
		for name, s := range all {
			if _, some := s["type"]; some && name != "prompt" {
				all[name] = dialect.Nullable(s)
			}
		}
	}
	return all
}

func closed(s dialect.Schema) dialect.Schema {
	s["additionalProperties"] = false
	return s
}

func generationSchema() dialect.Schema {
	return closed(dialect.Shape(properties(true, map[string]dialect.Schema{
		"prompt": prompt, "moderation": choice("low", "auto"), "style": choice("vivid", "natural"), "svg": nothing(),
	}, true), "prompt"))
}

func editSchema() dialect.Schema {
	return closed(dialect.Shape(properties(false, map[string]dialect.Schema{
		"prompt": prompt, "image": file, "image[]": file, "mask": file, "markup": nothing(), "input_fidelity": choice("high", "low"),
	}, true), "prompt"))
}

func variationSchema() dialect.Schema {
	return closed(dialect.Shape(properties(false, map[string]dialect.Schema{"image": file}, false), "image"))
}

var (
	tokenSchema = dialect.Shape(map[string]dialect.Schema{"image_tokens": count, "text_tokens": count}, "image_tokens", "text_tokens")

	usageSchema = dialect.Shape(map[string]dialect.Schema{
		"input_tokens": count, "input_tokens_details": tokenSchema, "output_tokens": count, "output_tokens_details": tokenSchema, "total_tokens": count,
	}, "input_tokens", "input_tokens_details", "output_tokens", "total_tokens")

	responseSchema = closed(dialect.Shape(map[string]dialect.Schema{
		"created": count, "background": choice("transparent", "opaque"), "output_format": choice(formats...),
		"quality": choice("low", "medium", "high", "xhigh", "max"), "size": text("pattern", "^[0-9]+x[0-9]+$"), "usage": usageSchema,
		"data": {"type": "array", "minItems": 1, "items": closed(dialect.Shape(map[string]dialect.Schema{
			"url": text("format", "uri"), "b64_json": text("contentEncoding", "base64"), "revised_prompt": text(),
		}))},
	}, "created", "data", "background", "output_format", "quality", "size", "usage"))

	modelSchema = closed(dialect.Shape(map[string]dialect.Schema{
		"id": text(), "object": {"const": "model"}, "created": count, "owned_by": text(),
	}, "id", "object", "created", "owned_by"))

	modelsSchema = closed(dialect.Shape(map[string]dialect.Schema{
		"object": {"const": "list"}, "data": {"type": "array", "items": modelSchema},
	}, "object", "data"))

	problemSchema = closed(dialect.Shape(map[string]dialect.Schema{
		"error": closed(dialect.Shape(map[string]dialect.Schema{
			"message": text("minLength", 1), "type": text(), "param": {"type": []any{"string", "null"}}, "code": {"type": []any{"string", "null"}},
		}, "message", "type", "param", "code")),
	}, "error"))
)
