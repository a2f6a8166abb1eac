//go:build !windows

package process

import (
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A Tree is a child with everything it starts: a process group of its own. The child also sees EOF
// on stdin when the agent dies, however it dies.
type Tree struct {
	mu    sync.Mutex
	group int // 0 once closed: the number may belong to another group by then
	timer *time.Timer
}

// Start starts the command as the root of a tree.
func Start(command *exec.Cmd) (*Tree, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	return &Tree{group: command.Process.Pid}, nil
}

// Kill ends every process of the tree at once. It is safe to call any number of times.
func (t *Tree) Kill() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.group != 0 {
		_ = syscall.Kill(-t.group, syscall.SIGKILL)
	}
}

// KillAfter kills the tree unless Close is called within the time given.
func (t *Tree) KillAfter(after time.Duration) { t.timer = time.AfterFunc(after, t.Kill) }

// Close releases what the tree holds; call it once the child has been waited for.
func (t *Tree) Close() {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.group = 0
}
