package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// The goals are for all rooms together: a room's idea may need a long file now and then.
var (
	fileGoal     = spread{100, 200, 400}
	functionGoal = spread{10, 30, 80}
)

const testGoal = 0.7 // lines of test code to a line of code

// A spread is how long things are: half of them are at most as long as the median, nine of ten as p90.
type spread struct{ median, p90, longest int }

func (s spread) String() string { return fmt.Sprintf("%d/%d/%d", s.median, s.p90, s.longest) }

func spreadOf(lengths []length) spread {
	if len(lengths) == 0 {
		return spread{}
	}
	lines := make([]int, len(lengths))
	for i, l := range lengths {
		lines[i] = l.lines
	}
	slices.Sort(lines)
	at := func(percent int) int { return lines[(len(lines)*percent+99)/100-1] }
	return spread{at(50), at(90), at(100)}
}

func (r room) ratio() float64 { return share(r.tests, r.code) }

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// report prints a line for each room with product code, one for all, and what is longest.
func report(out io.Writer, rooms []room, all room, worst int) {
	fmt.Fprintf(out, "%-44s %6s %7s %14s %15s %9s %7s\n", "room", "files", "code", "file lines", "function lines", "comments", "tests")
	for _, r := range append(slices.Clone(rooms), all) {
		if len(r.files) == 0 {
			continue
		}
		fmt.Fprintf(out, "%-44s %6d %7d %14s %15s %8.0f%% %7.2f\n", r.name, len(r.files), r.code,
			spreadOf(r.files), spreadOf(r.functions), 100*share(r.comments, r.code+r.comments), r.ratio())
	}
	fmt.Fprintf(out, "%-44s %6s %7s %14s %15s %9s %7.2f\n", "goal (median/p90/longest, tests to code)", "", "", fileGoal, functionGoal, "", testGoal)
	longest(out, "files", all.files, worst)
	longest(out, "functions", all.functions, worst)
}

func longest(out io.Writer, what string, lengths []length, worst int) {
	sorted := slices.Clone(lengths)
	slices.SortFunc(sorted, func(a, b length) int { return cmp.Or(b.lines-a.lines, cmp.Compare(a.name, b.name)) })
	fmt.Fprintf(out, "\nlongest %s\n", what)
	for _, l := range sorted[:min(worst, len(sorted))] {
		fmt.Fprintf(out, "%6d  %s\n", l.lines, l.name)
	}
	fmt.Fprintln(out)
}

// missedGoals names each goal that is missed, with what was measured.
func missedGoals(all room) []string {
	var missed []string
	compare := func(what string, got, want spread) {
		if got.median > want.median || got.p90 > want.p90 || got.longest > want.longest {
			missed = append(missed, fmt.Sprintf("%s: %s, want at most %s lines", what, got, want))
		}
	}
	compare("files", spreadOf(all.files), fileGoal)
	compare("functions", spreadOf(all.functions), functionGoal)
	if all.ratio() < testGoal {
		missed = append(missed, fmt.Sprintf("test code: %.2f of code, want at least %.2f", all.ratio(), testGoal))
	}
	return missed
}
