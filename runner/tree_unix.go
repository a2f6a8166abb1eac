//go:build !windows

package runner

import (
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A tree is a child with everything it starts: a process group of its own. The child also sees EOF
// on stdin when the agent dies, however it dies.
type tree struct {
	mu    sync.Mutex
	group int // 0 once closed: the number may belong to somebody else by then
	timer *time.Timer
}

func startTree(command *exec.Cmd) (*tree, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	return &tree{group: command.Process.Pid}, nil
}

// kill is safe to call any number of times: a group that is gone is no error.
func (t *tree) kill() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.group != 0 {
		_ = syscall.Kill(-t.group, syscall.SIGKILL)
	}
}

// exitSoon kills the tree unless close is called within the time given.
func (t *tree) exitSoon(after time.Duration) { t.timer = time.AfterFunc(after, t.kill) }

func (t *tree) close() {
	t.timer.Stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.group = 0
}
