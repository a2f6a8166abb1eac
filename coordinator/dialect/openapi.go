package dialect

import (
	"net/http"
	"strconv"
	"strings"
)

// A Schema is a JSON schema as OpenAPI 3.1 has it.
type Schema = map[string]any

// An Operation is what an OpenAPI document has of a route.
type Operation struct {
	Route   Route
	ID      string // of the operation, unique in the document
	Summary string
	Path    []string // names of the path's parameters, all strings
	Body    Schema   // of the JSON body, nil for none
	Reply   Schema   // of status 200
	// Refusals are the statuses of errors, all in the vendor's one form.
	Refusals []int
}

// OpenAPI describes a vendor's operations. Problem is the form of its errors, security the OpenAPI
// security scheme of its key.
func OpenAPI(title, about string, security, problem Schema, operations ...Operation) map[string]any {
	paths := map[string]any{}
	for _, o := range operations {
		path := o.Route.Prefix + o.Route.Path
		methods, ok := paths[path].(map[string]any)
		if !ok {
			methods = map[string]any{}
			paths[path] = methods
		}
		methods[strings.ToLower(o.Route.Method)] = o.describe(problem)
	}
	return map[string]any{
		"openapi":    "3.1.0",
		"info":       map[string]any{"title": title, "description": about, "version": "1"},
		"paths":      paths,
		"security":   []any{map[string]any{"key": []any{}}},
		"components": map[string]any{"securitySchemes": map[string]any{"key": security}},
	}
}

func (o Operation) describe(problem Schema) map[string]any {
	responses := map[string]any{"200": content("Success.", o.Reply)}
	for _, status := range o.Refusals {
		responses[strconv.Itoa(status)] = content(http.StatusText(status)+".", problem)
	}
	described := map[string]any{"operationId": o.ID, "summary": o.Summary, "responses": responses}
	if o.Body != nil {
		described["requestBody"] = map[string]any{"required": true, "content": media(o.Body)}
	}
	var parameters []any
	for _, name := range o.Path {
		parameters = append(parameters, map[string]any{"name": name, "in": "path", "required": true, "schema": Schema{"type": "string"}})
	}
	if parameters != nil {
		described["parameters"] = parameters
	}
	return described
}

func content(description string, s Schema) map[string]any {
	return map[string]any{"description": description, "content": media(s)}
}

func media(s Schema) map[string]any {
	return map[string]any{"application/json": map[string]any{"schema": s}}
}

// Shape is the schema of an object with these properties; required are those that are always there.
func Shape(properties map[string]Schema, required ...string) Schema {
	s := Schema{"type": "object", "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// Nullable lets a schema with a type be null as well.
func Nullable(s Schema) Schema {
	either := Schema{}
	for key, value := range s {
		either[key] = value
	}
	either["type"] = []any{s["type"], "null"}
	if values, ok := s["enum"].([]string); ok {
		all := make([]any, 0, len(values)+1)
		for _, v := range values {
			all = append(all, v)
		}
		either["enum"] = append(all, nil)
	}
	return either
}
