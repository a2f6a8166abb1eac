package runner_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/process"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/fake"
	"github.com/easelgrid/easel/runner/runnertest"
)

// envRole makes the test binary play another part than the runtime's; see roles.
const envRole = "EASEL_RUNNER_TEST_ROLE"

var roles = map[string]func(){
	"agent": playAgent,
	"print environment": func() {
		fmt.Fprintln(os.Stderr, "token "+os.Getenv("EASEL_JOIN_TOKEN")+", key "+os.Getenv("EASEL_KEY")+", other "+os.Getenv("EASEL_OTHER"))
		os.Exit(1)
	},
	"mute":        func() { bufio.NewReader(os.Stdin).ReadString(0) },
	"babble":      func() { fmt.Println("this is not JSON"); bufio.NewReader(os.Stdin).ReadString(0) },
	"early death": func() { fmt.Fprintln(os.Stderr, "no CUDA-capable device is detected"); os.Exit(7) },
	"deaf":        func() { sayHello(); <-time.After(time.Hour) },
	"two hellos":  func() { sayHello(); sayHello() },
	"long line": func() {
		fmt.Println(`{"launch":"` + strings.Repeat("x", 1<<20) + `"}`)
		bufio.NewReader(os.Stdin).ReadString(0)
	},
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(envRole)]; ok {
		role()
		os.Exit(0)
	}
	runnertest.Main(m, func() (runner.Runtime, error) { return fake.New(fake.Options{}), nil })
}

func sayHello() {
	info, _ := fake.New(fake.Options{}).Describe()
	line, _ := json.Marshal(runner.Event{Launch: os.Getenv(runner.EnvLaunch), Hello: &runner.Hello{Protocol: runner.ProtocolVersion, Runtime: info}})
	fmt.Printf("%s\n", line)
}

// playAgent starts a runtime, prints its pid, and works until it is killed.
func playAgent() {
	binary, _ := os.Executable()
	p, err := runner.Start(context.Background(), runner.Options{Command: []string{binary}, Env: []string{envRole + "=", "EASEL_RUNNERTEST_CHILD=1", "GORACE=atexit_sleep_ms=0"}})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	dir, _ := os.MkdirTemp("", "easel")
	_, _ = p.Generate(context.Background(), request("fake:hang=2"), dir, 0, runner.Watch{
		Progress: func(api.Progress) { fmt.Println(p.PID()) },
	})
}

func request(prompt string) api.ImageSpec {
	return api.ImageSpec{Model: "fake", Prompt: prompt, Width: 64, Height: 64, Steps: 5, GuidanceScale: 1, Scheduler: "DDIMScheduler", N: 1, LoRAs: []api.LoRA{}}
}

func start(t *testing.T, change func(*runner.Options)) *runner.Process {
	t.Helper()
	o := runnertest.Child(t)
	if change != nil {
		change(&o)
	}
	p, err := runner.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(context.Background()) })
	return p
}

func TestMisbehaviour(t *testing.T) {
	for _, test := range []struct {
		name, prompt string
		options      func(*runner.Options)
		code         api.Code
		naming       string
		ends         bool
	}{
		{name: "crash", prompt: "fake:crash=3", code: api.CodeRuntimeCrashed, naming: "ordered to crash", ends: true},
		{name: "panic", prompt: "fake:panic=2", code: api.CodeRuntimeFailed, naming: "ordered to panic"},
		{name: "out of memory", prompt: "fake:oom", code: api.CodeOutOfMemory, naming: "out of memory"},
		{name: "failure", prompt: "fake:fail=4", code: api.CodeRuntimeFailed, naming: "ordered to fail"},
		{
			name: "hang", prompt: "fake:hang=2", code: api.CodeRuntimeHung, naming: "reported nothing for", ends: true,
			options: func(o *runner.Options) { o.StallTimeout = 200 * time.Millisecond },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, test.options)
			_, err := p.Generate(t.Context(), request(test.prompt), t.TempDir(), 0, runner.Watch{})
			wantCode(t, err, test.code, test.naming)
			if test.ends {
				<-p.Done()
				return
			}
			if _, err := p.Generate(t.Context(), request("again"), t.TempDir(), 0, runner.Watch{}); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestCancelIgnoredMeansKill(t *testing.T) {
	p := start(t, func(o *runner.Options) { o.CancelGrace = 200 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	_, err := p.Generate(ctx, request("fake:ignore-cancel fake:hang=2"), t.TempDir(), 0, runner.Watch{Progress: func(api.Progress) { cancel() }})
	wantCode(t, err, api.CodeCanceled, "canceled")
	<-p.Done()
	wantCode(t, p.Err(), api.CodeRuntimeHung, "ignored a cancel")
}

func TestBadStart(t *testing.T) {
	for _, test := range []struct {
		role   string
		code   api.Code
		naming string
	}{
		{"mute", api.CodeRuntimeHung, "reported nothing"},
		{"babble", api.CodeRuntimeFailed, "broke the protocol"},
		{"long line", api.CodeRuntimeFailed, "broke the protocol"},
		{"early death", api.CodeRuntimeCrashed, "no CUDA-capable device"},
	} {
		t.Run(test.role, func(t *testing.T) {
			t.Parallel()
			o := runnertest.Child(t)
			o.Env = []string{envRole + "=" + test.role}
			o.HelloTimeout = 5 * time.Second
			if test.role == "mute" {
				o.HelloTimeout = 100 * time.Millisecond
			}
			_, err := runner.Start(t.Context(), o)
			wantCode(t, err, test.code, test.naming)
		})
	}
	_, err := runner.Start(t.Context(), runner.Options{Command: []string{"/no/such/program"}})
	wantCode(t, err, api.CodeRuntimeCrashed, "/no/such/program")
}

func TestRequestThatIsNotRead(t *testing.T) {
	p := start(t, func(o *runner.Options) {
		o.Env, o.StallTimeout = []string{envRole + "=deaf"}, 200*time.Millisecond
	})
	spec := request(strings.Repeat("<", api.MaxPromptBytes)) // more than a pipe holds
	spec.NegativePrompt = spec.Prompt
	_, err := p.Generate(t.Context(), spec, t.TempDir(), 0, runner.Watch{})
	wantCode(t, err, api.CodeRuntimeHung, "did not read")
}

func TestEndIsSeenBehindWordsNobodyReads(t *testing.T) {
	p := start(t, func(o *runner.Options) { o.Env = []string{envRole + "=two hellos"} })
	select {
	case <-p.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the end of the process is not noticed")
	}
}

func TestChildGetsNoSecrets(t *testing.T) {
	for _, name := range []string{"EASEL_JOIN_TOKEN", "EASEL_KEY", "EASEL_OTHER"} {
		t.Setenv(name, "value")
	}
	o := runnertest.Child(t)
	o.Env = []string{envRole + "=print environment"}
	_, err := runner.Start(t.Context(), o)
	wantCode(t, err, api.CodeRuntimeCrashed, "token , key , other value")
}

func TestChildDiesWithItsAgent(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.Command(binary)
	agent.Env = append(os.Environ(), envRole+"=agent")
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int32
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatalf("the agent did not print its child's pid: %v", err)
	}
	if !alive(pid) {
		t.Fatal("the child is not there")
	}
	_ = agent.Process.Kill()
	_ = agent.Wait()
	killed := time.Now()
	for alive(pid) {
		if time.Since(killed) > 10*time.Second {
			t.Fatal("the child outlives its agent")
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Logf("the child was gone after %s", time.Since(killed).Round(time.Millisecond))
}

// alive reports whether a process runs; one that only waits to be reaped does not.
func alive(pid int32) bool {
	p, err := process.NewProcess(pid)
	if err != nil {
		return false
	}
	status, err := p.Status()
	return err == nil && !slices.Contains(status, process.Zombie)
}

func TestStopDuringAJob(t *testing.T) {
	p := start(t, nil)
	running := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		_, err := p.Generate(context.Background(), request("fake:hang=2"), t.TempDir(), 0, runner.Watch{Progress: func(api.Progress) { close(running) }})
		result <- err
	}()
	<-running
	p.Stop(t.Context())
	wantCode(t, <-result, api.CodeNodeStopped, "stopped")
}

func wantCode(t *testing.T, err error, code api.Code, naming string) {
	t.Helper()
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Code != code || !strings.Contains(e.Message, naming) {
		t.Errorf("got %v (%T), want code %s naming %q", err, err, code, naming)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"launch":"a","job":"b","generate":{"spec":{"prompt":"x"},"dir":"/d","preview_every":2}}`))
	f.Add([]byte(`{"cancel":{}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, err := runner.DecodeRequest(line); err == nil && len(line) == 0 {
			t.Error("an empty line is no request")
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(`{"launch":"a","hello":{"protocol":1,"runtime":{"name":"x"}}}`))
	f.Add([]byte(`{"image":{"name":"../x","index":1}}`))
	f.Add([]byte(`{"done":{"timings":{"load":1e400}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, err := runner.DecodeEvent(line); err == nil && len(line) == 0 {
			t.Error("an empty line is no event")
		}
	})
}
