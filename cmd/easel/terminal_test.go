package main

import (
	"math"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestBarTakesAnyProgress(t *testing.T) {
	b := newBar("x")
	for _, p := range []api.Progress{
		{}, {Step: 1, Steps: 2}, {Step: 3, Steps: 2}, {Step: -1, Steps: 2}, {Step: 2, Steps: -1},
		{Step: math.MaxInt, Steps: 1}, {Step: math.MaxInt, Steps: math.MaxInt}, {Step: math.MinInt, Steps: 1},
	} {
		if got := strings.Count(b.line(p), "━"); got != barWidth {
			t.Errorf("%+v: %d cells, want %d", p, got, barWidth)
		}
	}
	if line := b.line(api.Progress{Phase: "a\x1b]0;b\a\u009bc"}); !strings.Contains(line, " a]0;bc ") {
		t.Errorf("control characters of a phase are drawn: %q", line)
	}
}
