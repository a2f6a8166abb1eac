package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/process"

	"github.com/easelgrid/easel/api"
)

func TestCoordinatorKilledLosesNoJobAndDoesNoneTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.join(s.url, "fake")
	ids := []string{s.submit("the running one", 40).ID}
	s.running(ids[0])
	for i := range 20 {
		ids = append(ids, s.submit(fmt.Sprintf("waiting %d", i), 1).ID)
	}
	s.proc.kill()
	s.start()
	for _, id := range ids {
		if job := s.finished(id); job.Attempt != 1 {
			t.Errorf("job %s took %d attempts, want 1", id, job.Attempt)
		}
	}
	if made := strings.Count(n.log.String(), "attempt accepted"); made != len(ids) {
		t.Errorf("the node started %d attempts for %d jobs", made, len(ids))
	}
	jobs, err := s.client.Jobs(t.Context(), api.StateSucceeded, 100)
	if err != nil || len(jobs) != len(ids) {
		t.Errorf("%d jobs succeeded, want %d: %v", len(jobs), len(ids), err)
	}
}

func TestAgentKilledAnotherNodeFinishes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.join(s.url, "fake")
	job := s.submit("on the move", 30)
	if j := s.running(job.ID); j.NodeID != first.id {
		t.Fatalf("runs on %s, want %s", j.NodeID, first.id)
	}
	second := s.join(s.url, "fake")
	first.kill()
	if j := s.finished(job.ID); j.Attempt != 2 || j.NodeID != second.id {
		t.Errorf("attempt %d on %s, want 2 on %s", j.Attempt, j.NodeID, second.id)
	}
}

func TestRuntimeKilledSecondAttemptSucceeds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.join(s.url, "fake")
	job := s.submit("try again", 20)
	s.running(job.ID)
	victim, err := os.FindProcess(int(n.runtimePID()))
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	if j := s.finished(job.ID); j.Attempt != 2 {
		t.Errorf("attempt %d, want 2", j.Attempt)
	}
}

func TestSocketCutKeepsTheAttempt(t *testing.T) {
	t.Parallel()
	s := newSiteWithLease(t, "15s") // the default
	p := newProxy(t, s.listen)
	n := s.join(p.url(), "fake")
	job := s.submit("keep going", 80)
	s.running(job.ID)
	pid := n.runtimePID()
	p.cut(true)
	<-time.After(5 * time.Second) // the story: the line is dead for five seconds
	p.cut(false)
	if j := s.finished(job.ID); j.Attempt != 1 {
		t.Errorf("attempt %d, want 1", j.Attempt)
	}
	if n.runtimePID() != pid {
		t.Error("the runtime was restarted")
	}
	if made := strings.Count(n.log.String(), "attempt accepted"); made != 1 {
		t.Errorf("the node started %d attempts, want 1", made)
	}
}

func TestAgentDrainsOnSIGTERM(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.join(s.url, "fake")
	job := s.submit("last one", 15)
	s.running(job.ID)
	if err := n.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := n.wait(); err != nil {
		t.Errorf("the agent ended with %v, want 0", err)
	}
	if j := s.finished(job.ID); j.Attempt != 1 {
		t.Errorf("attempt %d, want 1", j.Attempt)
	}
}

func TestCancelReachesTheStepLoop(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	n := s.join(s.url, "fake")
	job := s.submit("never mind", 300)
	s.running(job.ID)
	pid := n.runtimePID()
	if j, err := s.client.Cancel(t.Context(), job.ID); err != nil || j.State != api.StateCanceled {
		t.Fatalf("cancel: %v, %v", j.State, err)
	}
	s.finished(s.submit("the next", 1).ID) // the slot is free again long before 30 s are over
	if n.runtimePID() != pid {
		t.Error("the runtime was restarted for a cancel")
	}
}

func TestJobThatKillsTwoNodesIsQuarantined(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.join(s.url, "fake")
	s.join(s.url, "fake")
	job := s.submit("poison fake:crash=2", 5)
	j := s.until(job.ID, "settled", func(j api.Job) bool { return j.State.Terminal() })
	if j.State != api.StateFailed || j.Error == nil || j.Error.Code != api.CodeQuarantined {
		t.Errorf("state %s, error %v; want it quarantined", j.State, j.Error)
	}
	s.finished(s.submit("harmless", 1).ID)
}

// easelProcesses lists the processes of the binary under test.
func easelProcesses(t *testing.T) []int32 {
	t.Helper()
	all, err := process.Processes()
	if err != nil {
		t.Fatal(err)
	}
	var found []int32
	for _, p := range all {
		if exe, err := p.Exe(); err == nil && exe == binary {
			if status, err := p.Status(); err != nil || !slices.Contains(status, process.Zombie) {
				found = append(found, p.Pid)
			}
		}
	}
	return found
}
