package dialect

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Some vendors' clients write numbers as strings, yes and no for true and false, and "" for nothing.
// The wide readers take all of that.

// wide is a field as wide readers see it: without the quotes of a string. ok is false where the field
// is absent, null or an empty string.
func (o *Object) wide(field string) (text string, raw json.RawMessage, ok bool) {
	raw = o.Raw(field)
	if raw == nil {
		return "", nil, false
	}
	text = string(raw)
	if raw[0] == '"' {
		_ = json.Unmarshal(raw, &text) // it is a valid string
		text = strings.TrimSpace(text)
	}
	return text, raw, text != ""
}

// WideText reads a string, or a number as it is written; "" where it is absent.
func (o *Object) WideText(field string) string {
	raw := o.Raw(field)
	if raw == nil || raw[0] == '"' {
		return o.Text(field)
	}
	if _, ok := number(raw); !ok {
		o.Fault(field, kindOf(raw), "a string")
		return ""
	}
	return string(raw)
}

// WideInt reads a whole number from least to most, also from a string; nil where it is absent.
func (o *Object) WideInt(field string, least, most int64) *int64 {
	text, raw, ok := o.wide(field)
	if !ok {
		return nil
	}
	value, ok := whole(json.RawMessage(text))
	if !ok || value < least || value > most {
		o.Fault(field, kindOf(raw), fmt.Sprintf("a whole number from %d to %d", least, most))
		return nil
	}
	return &value
}

// WideNumber reads a number from least to most, also from a string; nil where it is absent.
func (o *Object) WideNumber(field string, least, most float64) *float64 {
	text, raw, ok := o.wide(field)
	if !ok {
		return nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || value < least || value > most {
		o.Fault(field, kindOf(raw), fmt.Sprintf("a number from %g to %g", least, most))
		return nil
	}
	return &value
}

// WideBool reads yes or no, true or false, 1 or 0, with or without quotes; nil where it is absent.
func (o *Object) WideBool(field string) *bool {
	text, raw, ok := o.wide(field)
	if !ok {
		return nil
	}
	value := false
	switch strings.ToLower(text) {
	case "yes", "true", "1":
		value = true
	case "no", "false", "0":
	default:
		o.Fault(field, kindOf(raw), "yes or no")
		return nil
	}
	return &value
}
