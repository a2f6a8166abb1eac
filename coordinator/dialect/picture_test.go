package dialect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/api"
)

func TestDecodePicture(t *testing.T) {
	file := []byte{0xfb, 0xff, 0xfe, 1}
	for name, text := range map[string]string{
		"plain":                "+//+AQ==",
		"without padding":      "+//+AQ",
		"of the URL alphabet":  "-__-AQ==",
		"with line breaks":     "+//+\r\nAQ==\n",
		"in a data URI":        "data:image/png;base64,+//+AQ==",
		"in a loud data URI":   "DATA:image/jpeg;BASE64,+//+AQ==",
		"in a data URI of any": "data:;base64,+//+AQ==",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodePicture(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(file, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, text := range map[string]string{
		"empty":               "",
		"cut":                 "+",
		"of dots":             "/9j/4…/Z",
		"an address":          "https://example.com/a.png",
		"a data URI of text":  "data:text/plain,hello",
		"an empty data URI":   "data:image/png;base64,",
		"a data URI cut":      "data:image/png;base64",
		"more than the limit": strings.Repeat("A", api.MaxInputBytes*3/2),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := DecodePicture(text); err == nil {
				t.Errorf("got %d bytes", len(got))
			}
		})
	}
}
