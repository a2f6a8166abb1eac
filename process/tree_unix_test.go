//go:build !windows

package process

import (
	"io"
	"testing"
	"time"
)

// After Close the number of the group may belong to another program. (On Windows the handle's end is the child's.)
func TestClosedTreeKillsNothing(t *testing.T) {
	tree, command, in, out := play(t, "echo")
	tree.KillAfter(time.Hour)
	tree.Close()
	tree.Kill()
	if _, err := io.WriteString(in, "still here\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := out.ReadString('\n'); err != nil || line != "still here\n" {
		t.Errorf("got %q, %v", line, err)
	}
	in.Close()
	if err := command.Wait(); err != nil {
		t.Errorf("the child ended with %v", err)
	}
}
