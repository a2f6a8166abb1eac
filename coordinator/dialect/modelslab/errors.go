package modelslab

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// vendorNames are the vendor's names for the fields of a job.
var vendorNames = map[string]string{
	"model": "model_id", "n": "samples", "steps": "num_inference_steps",
	"safety_check": "safety_checker", "safety_action": "safety_checker_type",
	"scheduler_options.sigma_schedule": "use_karras_sigmas", "scheduler_options.algorithm_type": "algorithm_type",
	"token_merging": "tomesd", "loras": "lora_model", "url": "webhook", "webhook.url": "webhook",
}

// vendorName is the vendor's name for a field that a fault or a message begins with.
func vendorName(field string) string {
	if strings.HasPrefix(field, "loras[") {
		if strings.HasSuffix(field, ".weight") {
			return "lora_strength"
		}
		return "lora_model"
	}
	if name, ok := vendorNames[field]; ok {
		return name
	}
	return field
}

var leadingField = regexp.MustCompile(`^([a-z][a-z0-9_.\[\]]*): `)

// message is an error in the vendor's words: its names for fields, and "prompt is required".
func message(e *api.Error) string {
	if len(e.Faults) == 0 {
		return leadingField.ReplaceAllStringFunc(e.Message, func(field string) string {
			return vendorName(strings.TrimSuffix(field, ": ")) + ": "
		})
	}
	texts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		f.Field = vendorName(f.Field)
		if f.Limit == required {
			texts[i] = f.Field + " is required"
		} else {
			texts[i] = f.String()
		}
	}
	return strings.Join(texts, "; ")
}

// failure is the body of an error.
type failure struct {
	Status     string `json:"status"`
	Message    string `json:"message"`
	Messege    string `json:"messege"`
	RetryAfter int    `json:"retry_after,omitempty"` // seconds
}

// Fail answers with an error in the vendor's form.
func (d *modelsLab) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	e := api.AsError(err, api.CodeInternal)
	text := message(e)
	switch {
	case e.Code == api.CodeUnauthorized && text != keyMissing:
		text = "Invalid API key"
	case e.Code == api.CodeInternal:
		text = "Internal server error"
	}
	dialect.RetryAfter(w, e)
	dialect.WriteJSON(w, dialect.Status(e.Code), failure{Status: "error", Message: text, Messege: text, RetryAfter: e.RetryAfter})
}

const keyMissing = "API key required"
