// Command house measures how the code is divided: how long files and functions are, how much of it is
// comments, and how much test code stands beside it, for each room and for all of them.
//
//	go run ./scripts/house            prints the measures and what is longest
//	go run ./scripts/house --check    and exits with 1 if a goal is missed
//
// Counted are the lines of Go files that are not generated and not below testdata. A comment is a line
// that has nothing but a comment; blank lines count for a file's and a function's length only. Test code
// is in files that end with _test.go and in packages whose name ends with test; it has no other goal.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	check := flag.Bool("check", false, "exit with 1 if a goal is missed")
	worst := flag.Int("worst", 10, "how many of the longest files and functions to print")
	flag.Parse()
	root := "."
	if flag.NArg() > 0 {
		root = flag.Arg(0)
	}
	rooms, err := measure(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "house:", err)
		os.Exit(2)
	}
	all := together(rooms)
	report(os.Stdout, rooms, all, *worst)
	missed := missedGoals(all)
	for _, goal := range missed {
		fmt.Println("missed:", goal)
	}
	if *check && len(missed) > 0 {
		os.Exit(1)
	}
}
