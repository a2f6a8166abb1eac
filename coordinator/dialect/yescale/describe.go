package yescale

import "github.com/easelgrid/easel/coordinator/dialect"

// Describe implements dialect.Dialect.
func (vendor) Describe() map[string]any {
	text, whole := dialect.Schema{"type": "string"}, dialect.Schema{"type": "integer"}
	problem := dialect.Shape(map[string]dialect.Schema{
		"error": dialect.Shape(map[string]dialect.Schema{
			"message": text, "type": text, "param": text, "code": text,
		}, "message", "type", "param", "code"),
	}, "error")
	link := dialect.Shape(map[string]dialect.Schema{"url": text}, "url")
	refusals := []int{400, 401, 403, 404, 409, 413, 429, 500, 503}
	key := dialect.Schema{"type": "http", "scheme": "bearer"}
	return dialect.OpenAPI("YeScale images", "The image API of YeScale as easel speaks it.", key, problem,
		dialect.Operation{
			Route: generateRoute, ID: "createImage", Summary: "Make pictures and wait for them.",
			Body: generationBody(),
			Reply: dialect.Shape(map[string]dialect.Schema{
				"created": whole,
				"data": {"type": "array", "items": dialect.Shape(map[string]dialect.Schema{
					"b64_json": dialect.Nullable(text), "revised_prompt": dialect.Nullable(text), "url": dialect.Nullable(text),
				}, "b64_json", "revised_prompt", "url")},
			}, "created", "data"),
			Refusals: refusals,
		},
		dialect.Operation{
			Route: submitRoute, ID: "submitTask", Summary: "Start making a picture.",
			Body: taskBody(), Reply: dialect.Shape(map[string]dialect.Schema{"task_id": text}, "task_id"), Refusals: refusals,
		},
		dialect.Operation{
			Route: taskRoute, ID: "task", Summary: "What became of a task.", Path: []string{"id"},
			Reply: dialect.Shape(map[string]dialect.Schema{
				"task_id": text, "status": {"type": "string", "enum": []string{processing, success, failure}},
				"progress": {"type": "string", "pattern": `^\d{1,3}%$`},
				"task_result": dialect.Shape(map[string]dialect.Schema{
					"url": text, "images": {"type": "array", "items": link},
				}, "images"),
				"err_reason": text,
			}, "task_id", "status", "progress", "task_result", "err_reason"),
			Refusals: []int{401, 403, 404, 429, 500, 503},
		})
}

// generationBody is the schema of a request in OpenAI's form. Null is as good as absent for what is
// not required.
func generationBody() dialect.Schema {
	properties := map[string]dialect.Schema{"prompt": promptSchema()}
	for name, schema := range map[string]dialect.Schema{
		"model":           {"type": "string", "maxLength": maxModel},
		"n":               {"type": "integer", "minimum": 1, "maximum": maxN, "default": 1},
		"size":            {"type": "string", "enum": sizes},
		"quality":         {"type": "string"},
		"response_format": {"type": "string", "enum": []string{"url", "b64_json"}, "default": "url"},
		"aspect_ratio":    {"type": "string"},
	} {
		properties[name] = dialect.Nullable(schema)
	}
	return dialect.Shape(properties, "prompt")
}

func taskBody() dialect.Schema {
	config := map[string]dialect.Schema{}
	for name, schema := range map[string]dialect.Schema{
		"size":         {"type": "string", "examples": []string{"auto", "1024x1536"}},
		"quality":      {"type": "string"},
		"background":   {"type": "string", "enum": []string{"auto", "opaque", "transparent"}},
		"aspect_ratio": {"type": "string", "examples": []string{"16:9"}},
		"images":       {"type": "array", "maxItems": 1, "items": dialect.Schema{"type": "string", "minLength": 1}},
	} {
		config[name] = dialect.Nullable(schema)
	}
	return dialect.Shape(map[string]dialect.Schema{
		"model":     dialect.Nullable(dialect.Schema{"type": "string", "maxLength": maxModel}),
		"task_type": dialect.Nullable(dialect.Schema{"type": "string", "enum": []string{"generate"}}),
		"prompt":    promptSchema(),
		"config":    dialect.Nullable(dialect.Shape(config)),
	}, "prompt")
}

func promptSchema() dialect.Schema {
	return dialect.Schema{"type": "string", "minLength": 1, "maxLength": maxPrompt}
}
