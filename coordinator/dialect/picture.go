package dialect

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/easelgrid/easel/api"
)

// Picture reads a picture in base64, with or without "data:image/png;base64," before it; nil where
// the field is absent or empty. What is not a PNG, JPEG or WebP file within the limits is a fault.
func (o *Object) Picture(field string) []byte {
	if o.Raw(field) == nil {
		return nil
	}
	before := len(*o.faults)
	text := o.Text(field)
	if text == "" || len(*o.faults) > before {
		return nil
	}
	file, err := DecodePicture(text)
	if err == nil {
		_, err = api.ReadInput(file)
	}
	if err != nil {
		o.Wrong(field, err)
		return nil
	}
	return file
}

// Wrong notes an error about a picture, which is an api.Fault as [DecodePicture] and [api.ReadInput]
// return it.
func (o *Object) Wrong(field string, err error) {
	f := api.FaultOf(field, err, "a picture")
	o.Fault(field, f.Value, f.Limit)
}

// IsDataURI reports whether a text is a picture itself and not an address.
func IsDataURI(text string) bool { return len(text) >= 5 && strings.EqualFold(text[:5], "data:") }

var errNoBase64 = api.Fault{Value: "something else", Limit: "a picture in base64"}

// DecodePicture decodes base64 as clients write it: plain or in a data URI, with the characters of
// either alphabet, with line breaks, with or without padding. The size is checked before. The error is an
// api.Fault without a field.
func DecodePicture(text string) ([]byte, error) {
	if IsDataURI(text) {
		head, body, ok := strings.Cut(text, ",")
		if !ok || !strings.HasSuffix(strings.ToLower(head), ";base64") {
			return nil, errNoBase64
		}
		text = body
	}
	if len(text) > api.MaxInputBytes/3*4+api.MaxInputBytes/16 { // line breaks are as much as 1 in 38
		return nil, api.Fault{Value: fmt.Sprintf("%d characters of base64", len(text)), Limit: fmt.Sprintf("at most %d bytes", api.MaxInputBytes)}
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	file, err := encoding.DecodeString(strings.TrimRight(text, "=\r\n\t "))
	if err != nil || len(file) == 0 {
		return nil, errNoBase64
	}
	return file, nil
}
