package api

import (
	"errors"
	"fmt"
	"testing"
)

func TestFaults(t *testing.T) {
	for want, f := range map[string]Fault{
		"steps: got 0, want 1 to 500": {"steps", "0", "1 to 500"},
		"prompt: want a text":         {"prompt", "", "a text"},
		"got 0, want 1 to 500":        {"", "0", "1 to 500"},
		"want a picture":              {"", "", "a picture"},
	} {
		if got := f.Error(); got != want {
			t.Errorf("%+v: got %q", f, got)
		}
	}
}

// The parts of an error reach whoever knows the field as values, whatever text is around them.
func TestFaultOf(t *testing.T) {
	_, notPicture := ReadInput([]byte("hello, want more"))
	for name, c := range map[string]struct {
		err  error
		want Fault
	}{
		"of a picture":         {notPicture, Fault{"mask", "16 bytes of something else", "a PNG, JPEG or WebP file"}},
		"wrapped":              {fmt.Errorf("decode, want: %w", Fault{"file", "2, want 3", "3"}), Fault{"mask", "2, want 3", "3"}},
		"an error of any kind": {errors.New("got lost, want home"), Fault{"mask", "got lost, want home", "a picture"}},
	} {
		if got := FaultOf("mask", c.err, "a picture"); got != c.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
