package ident

import (
	"regexp"
	"testing"
	"time"
)

func TestTimedNamesSortByTime(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	earlier, later := Timed(at), Timed(at.Add(time.Millisecond))
	if earlier >= later {
		t.Errorf("%s does not sort before %s", earlier, later)
	}
	if got, ok := TimeOf(earlier); !ok || !got.Equal(at) {
		t.Errorf("time of %s: got %v, %v, want %v", earlier, got, ok, at)
	}
	if one, other := Timed(at), Timed(at); one == other {
		t.Error("two names of one millisecond are the same")
	}
}

func TestTimeOfOtherNames(t *testing.T) {
	timed := Timed(time.Now())
	for _, name := range []string{"", "inputs", "pictures", "..", timed + "0", timed[1:], "0", "00000000000000000000000000000000", "UPPERCASEUPPERCASEUPPERCAS"} {
		if at, ok := TimeOf(name); ok {
			t.Errorf("%q has a time: %v", name, at)
		}
	}
}

func TestForms(t *testing.T) {
	for name, test := range map[string]struct{ got, form string }{
		"timed":  {Timed(time.Now()), `^[0-9a-hjkmnp-tv-z]{26}$`},
		"digest": {Digest([]byte("abc")), `^ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad$`},
		"hex":    {Hex(8), `^[0-9a-f]{16}$`},
		"secret": {Secret(), `^[A-Za-z0-9_-]{43}$`},
	} {
		t.Run(name, func(t *testing.T) {
			if !regexp.MustCompile(test.form).MatchString(test.got) {
				t.Errorf("got %q, want %s", test.got, test.form)
			}
		})
	}
}
