package process

import (
	"fmt"
	"os/exec"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A Tree is a child with everything it starts: a Job Object that kills its processes when its last
// handle closes, which also happens when the agent dies.
type Tree struct {
	mu    sync.Mutex
	job   windows.Handle
	timer *time.Timer
}

// Start starts the command as the root of a tree.
func Start(command *exec.Cmd) (*Tree, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("create job object: %w", err)
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		windows.CloseHandle(job)
		return nil, err
	}
	if err := assign(job, command.Process.Pid); err != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
		windows.CloseHandle(job)
		return nil, err
	}
	return &Tree{job: job}, nil
}

func assign(job windows.Handle, pid int) error {
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return fmt.Errorf("open child process: %w", err)
	}
	defer windows.CloseHandle(process)
	if err := windows.AssignProcessToJobObject(job, process); err != nil {
		return fmt.Errorf("assign child to job object: %w", err)
	}
	return nil
}

// Kill ends every process of the tree at once. It is safe to call any number of times.
func (t *Tree) Kill() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.job != 0 {
		_ = windows.TerminateJobObject(t.job, 1)
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
	windows.CloseHandle(t.job)
	t.job = 0
}
