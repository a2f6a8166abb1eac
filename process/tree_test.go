package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// envRole makes the test binary play a child instead of testing.
const envRole = "EASEL_PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(envRole) {
	case "parent": // leaves a child of its own behind, which holds its stdout open
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), envRole+"=sleeper")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			fmt.Println(err)
		}
		<-time.After(time.Hour)
	case "sleeper":
		fmt.Println("the grandchild runs")
		<-time.After(time.Hour)
	case "echo":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	default:
		os.Exit(m.Run())
	}
}

// play starts the test binary in a role, as the root of a tree.
func play(t *testing.T, role string) (tree *Tree, command *exec.Cmd, in io.WriteCloser, out *bufio.Reader) {
	t.Helper()
	command = exec.Command(os.Args[0])
	command.Env = append(os.Environ(), envRole+"="+role)
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	// Not StdoutPipe, which Wait closes: what is to be seen is that nobody holds the other end any more.
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	command.Stdout = writer
	tree, err = Start(command)
	writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tree.Close)
	t.Cleanup(tree.Kill)
	return tree, command, in, bufio.NewReader(reader)
}

// The pipe ends when the last process that holds it has ended.
func TestKillEndsTheChildAndItsDescendants(t *testing.T) {
	tree, command, _, out := play(t, "parent")
	if line, err := out.ReadString('\n'); err != nil || line != "the grandchild runs\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	tree.Kill()
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v", rest, err)
	}
	if err := command.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	tree.Kill() // any number of times
}

func TestKillAfterEndsAChildThatStays(t *testing.T) {
	tree, command, _, out := play(t, "sleeper")
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	tree.KillAfter(time.Millisecond)
	if err := command.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
}

func TestStartOfAMissingProgramIsAnError(t *testing.T) {
	if _, err := Start(exec.Command("no-such-program-anywhere")); err == nil {
		t.Error("it was started")
	}
}
