package process

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestLastWords(t *testing.T) {
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprint("line ", i))
	}
	long := strings.Repeat("x", 1000)
	for _, test := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"nothing", nil, nil},
		{"lines in pieces", []string{"a", "b\nc", "\r\n\n"}, []string{"ab", "c"}},
		{"an unfinished line", []string{"a\nb"}, []string{"a", "b"}},
		{"the last twenty", []string{strings.Join(many, "\n") + "\n"}, many[10:]},
		{"long lines are cut", []string{long + "\n"}, []string{long[:400] + "..."}},
		{"between characters", []string{"x" + strings.Repeat("ü", 300) + "\n"}, []string{"x" + strings.Repeat("ü", 199) + "..."}},
		{"a long unfinished line", []string{long}, []string{long[:400]}},
		{"a line without end", []string{strings.Repeat("x", 64<<10)}, []string{long[:400] + "..."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var passed []string
			w := LastWords{Line: func(line string) { passed = append(passed, line) }}
			for _, s := range test.writes {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatalf("wrote %d, %v", n, err)
				}
			}
			if got := w.String(); got != strings.Join(test.want, "\n") {
				t.Errorf("got %q, want %q", got, test.want)
			}
			finished := test.want
			if last := len(test.writes) - 1; last >= 0 && !strings.HasSuffix(test.writes[last], "\n") && len(test.writes[last]) < 64<<10 {
				finished = finished[:len(finished)-1]
			}
			if len(passed) < len(finished) || !slices.Equal(passed[len(passed)-len(finished):], finished) {
				t.Errorf("passed on %q, want %q", passed, finished)
			}
		})
	}
}
