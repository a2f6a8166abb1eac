package modelslab

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/easelgrid/easel/api"
)

type object = map[string]any

// fieldSchemas describe the values of fields. Almost everything may be a string, and null.
var fieldSchemas = map[string]object{
	"text":      {"type": []string{"string", "null"}},
	"prompt":    {"type": "string", "minLength": 1},
	"side":      wideNumber("^[0-9]{2,4}$", "integer", api.MinSide, api.MaxSide),
	"samples":   wideNumber("^[1-4]$", "integer", 1, maxSamples),
	"steps":     wideNumber("^[1-9][0-9]{0,2}$", "integer", 1, api.MaxSteps),
	"guidance":  wideNumber(`^[0-9]{1,2}(\.[0-9]+)?$`, "number", 0, api.MaxGuidanceScale),
	"seed":      wideNumber("^[0-9]{0,9}$", "integer", -1, api.MaxSeed),
	"strength":  wideNumber(`^0?\.[0-9]+$`, "number", 0, 1),
	"clipSkip":  wideNumber("^[1-8]$", "integer", 1, maxClipSkip),
	"names":     {"type": []string{"string", "null"}, "pattern": "^([A-Za-z0-9_-][A-Za-z0-9._-]*(, ?|$))*$"},
	"strengths": {"type": []string{"string", "number", "null"}, "pattern": `^(-?[0-9]+(\.[0-9]+)?(, ?|$))*$`},
	"yesNo":     {"enum": []any{"yes", "no", true, false, "true", "false", nil}},
	"onlyNo":    {"enum": []any{"no", false, "false", nil}},
	"nothing":   {"enum": []any{"", nil}},
	"safety":    {"enum": []any{"sensitive_content_text", "blur", "pixelate", "black", nil}},
	"scheduler": {"enum": schedulerChoices()},
	"algorithm": {"enum": []any{"none", "dpmsolver+++", nil}},
	"address":   {"type": []string{"string", "null"}, "pattern": "^(https?://.+)?$"},
	"trackID":   {"type": []string{"string", "number", "null"}, "maxLength": maxTrackID},
	"imageType": {"enum": []string{"png", "jpeg", "jpg"}},
	"id":        {"type": []string{"integer", "string"}, "pattern": "^[0-9]+$", "minimum": 1},
	"anything":  {},
}

func schedulerChoices() []any {
	choices := []any{nil}
	for _, name := range api.SchedulerNames {
		choices = append(choices, name)
	}
	return choices
}

func wideNumber(pattern, kind string, least, most float64) object {
	return object{"type": []string{kind, "string", "null"}, "pattern": pattern, "minimum": least, "maximum": most}
}

// mustHave are the fields that a request needs besides the key.
var mustHave = map[string][]string{
	textToImage: {"prompt"}, imageToImage: {"prompt", "init_image"}, inpaint: {"prompt", "init_image", "mask_image"},
	fetch: {"request_id"}, verifyModel: {"model_id"}, nsfwCheck: {"init_image"}, uploadImage: {"base64_image"},
}

// requestSchema describes a body. The key is not required, as a bearer token stands in for it.
func requestSchema(request string) object {
	properties := object{"key": object{"type": "string", "description": keyField.note}}
	for _, f := range fieldsOf(request) {
		schema := object{}
		for name, value := range fieldSchemas[f.schema] {
			schema[name] = value
		}
		if f.note != "" {
			schema["description"] = f.note
		}
		properties[f.name] = schema
	}
	schema := object{"type": "object", "properties": properties}
	if names := mustHave[request]; names != nil {
		schema["required"] = names
	}
	return schema
}

func closed(properties object, optional ...string) object {
	var names []string
	for name := range properties {
		if !slices.Contains(optional, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return object{"type": "object", "properties": properties, "required": names, "additionalProperties": false}
}

var (
	text    = object{"type": "string"}
	maybe   = object{"type": []string{"string", "null"}}
	number  = object{"type": "number"}
	integer = object{"type": "integer"}
	yesNoes = object{"enum": []string{"yes", "no"}}
	texts   = object{"type": "array", "items": text}
	none    = object{"type": "array", "maxItems": 0, "items": text}
)

func constant(value string) object { return object{"const": value} }

func reference(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// replySchemas describe the replies, as reply.go and server.go have them.
func replySchemas() object {
	return object{
		"Error": closed(object{
			"status": constant("error"), "message": text, "messege": text, "retry_after": integer,
		}, "retry_after"),
		"Success": closed(object{
			"status": constant("success"), "tip": text, "generationTime": number, "id": integer, "output": texts,
			"proxy_links": texts, "nsfw_content_detected": object{"type": "boolean"}, "webhook_status": text, "meta": reference("Meta"),
		}, "tip"),
		"Processing": closed(object{
			"status": constant("processing"), "tip": text, "eta": number, "messege": text, "message": text,
			"webhook_status": text, "fetch_result": text, "id": integer, "output": none, "meta": reference("Meta"), "future_links": texts,
		}),
		"NotYet": closed(object{
			"status": constant("processing"), "messege": text, "message": text, "output": constant(""), "tip": text,
			"id": integer, "eta": number, "future_links": texts,
		}),
		"Failed": closed(object{"status": constant("failed"), "id": integer, "message": text, "messege": text, "output": none}),
		"Meta": closed(object{
			"prompt": text, "model_id": text, "negative_prompt": text, "scheduler": text, "safetychecker": yesNoes,
			"safety_checker_type": maybe, "W": integer, "H": integer, "guidance_scale": number, "seed": integer,
			"steps": integer, "n_samples": integer, "strength": number, "full_url": yesNoes, "upscale": yesNoes,
			"panorama": yesNoes, "self_attention": yesNoes, "enhance_prompt": yesNoes, "tomesd": yesNoes,
			"use_karras_sigmas": yesNoes, "algorithm_type": maybe, "clip_skip": integer, "embeddings": maybe, "lora": maybe,
			"lora_strength": maybe, "vae": maybe, "outdir": text, "file_prefix": text, "id": text, "output": texts,
		}, "strength"),
		"Generation":    object{"oneOf": []object{reference("Success"), reference("Processing"), reference("Failed")}},
		"Fetched":       object{"oneOf": []object{reference("Success"), reference("NotYet"), reference("Failed")}},
		"Message":       closed(object{"status": constant("success"), "message": text}),
		"SystemDetails": closed(object{"status": constant("ok"), "model_count": integer, "queue_time": number}),
		"Models": closed(object{"status": constant("success"), "models": object{
			"type": "array", "items": closed(object{"load_data": text, "model_id": text}),
		}}),
		"Schedulers": closed(object{"schedulers": texts}),
		"Upload":     closed(object{"status": constant("success"), "message": text, "image_url": text}),
		"NSFW": closed(object{"images": text, "has_nsfw_concept": object{
			"type": "array", "items": object{"type": "boolean"},
		}}),
	}
}

// errorStatuses are those that any request can be answered with.
var errorStatuses = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden,
	http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests,
	http.StatusInternalServerError, http.StatusServiceUnavailable,
}

func jsonContent(schema object) object {
	return object{"application/json": object{"schema": schema}}
}

// operation describes one endpoint under one of its paths.
func (e endpoint) operation(under, method string) object {
	responses := object{"200": object{"description": "Done, or on its way", "content": jsonContent(reference(e.reply))}}
	for _, code := range errorStatuses {
		responses[strconv.Itoa(code)] = object{"$ref": "#/components/responses/" + strconv.Itoa(code)}
	}
	operation := object{
		"summary":     e.summary,
		"operationId": strings.ToLower(method) + strings.NewReplacer("/", "_", "{", "", "}", "").Replace(e.path(under)),
		"security":    []object{{"bearer": []string{}}, {}},
		"responses":   responses,
	}
	if strings.Contains(e.verb, "{id}") {
		operation["parameters"] = []object{{
			"name": "id", "in": "path", "required": true, "schema": object{"type": "integer", "minimum": 1},
		}}
	}
	if method == http.MethodPost { // a GET may have a body too, but OpenAPI gives it no meaning
		operation["requestBody"] = object{"content": jsonContent(reference("Request_" + strings.ReplaceAll(e.request, " ", "_")))}
	}
	return operation
}

// Describe is the OpenAPI 3.1 document of the routes.
func (d *modelsLab) Describe() map[string]any {
	schemas, responses, paths := replySchemas(), object{}, object{}
	for _, e := range endpoints() {
		schemas["Request_"+strings.ReplaceAll(e.request, " ", "_")] = requestSchema(e.request)
		for _, under := range e.under {
			path, _ := paths[e.path(under)].(object)
			if path == nil {
				path = object{}
				paths[e.path(under)] = path
			}
			for _, method := range e.allMethods() {
				path[strings.ToLower(method)] = e.operation(under, method)
			}
		}
	}
	for _, code := range errorStatuses {
		response := object{"description": http.StatusText(code), "content": jsonContent(reference("Error"))}
		if code == http.StatusTooManyRequests {
			response["headers"] = object{"Retry-After": object{"schema": integer, "description": "seconds"}}
		}
		responses[strconv.Itoa(code)] = response
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "easel as ModelsLab", "version": "1",
			"description": "ModelsLab's image API, spoken by easel. The key is in the body or a bearer token. Failed requests have their own HTTP status and status \"error\" in the body.",
		},
		"paths": paths,
		"components": object{
			"schemas": schemas, "responses": responses,
			"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer"}},
		},
	}
}
