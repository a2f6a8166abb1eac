package diffusers

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/easelgrid/easel/internal/disk"
)

// Requirements pins every package of the worker, with the hashes of its files for every system.
//
//go:embed requirements.lock
var Requirements []byte

// ErrNotInstalled means that there is no complete environment for this version of the worker.
var ErrNotInstalled = errors.New("the diffusers runtime is not installed: run easel runtime install diffusers")

var errInterrupted = errors.New("interrupted; what was downloaded is kept for the next try")

// An Environment is an installed Python environment, as environment.json in its home describes it.
type Environment struct {
	Directory   string            `json:"directory"` // within the home
	Lock        string            `json:"lock"`      // SHA-256 of the lock file it was made from, hex
	Base        string            `json:"base"`      // the interpreter that made it
	Versions    map[string]string `json:"versions"`  // of Python and the packages that matter
	InstalledAt time.Time         `json:"installed_at"`

	home string
}

// Python is the environment's interpreter.
func (e Environment) Python() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(e.home, e.Directory, "Scripts", "python.exe")
	}
	return filepath.Join(e.home, e.Directory, "bin", "python")
}

// Find returns the environment in a home. Only a complete one is found, because environment.json is written last.
func Find(home string) (Environment, error) {
	e := Environment{home: home}
	body, err := os.ReadFile(stamp(home))
	if errors.Is(err, os.ErrNotExist) {
		return e, ErrNotInstalled
	}
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Directory == "" || filepath.Base(e.Directory) != e.Directory {
		return e, ErrNotInstalled
	}
	if _, err := os.Stat(e.Python()); err != nil || e.Lock != lockDigest() {
		return e, ErrNotInstalled
	}
	return e, nil
}

func stamp(home string) string { return filepath.Join(home, "environment.json") }

func lockDigest() string {
	sum := sha256.Sum256(Requirements)
	return hex.EncodeToString(sum[:])
}

// Installation is how to install.
type Installation struct {
	Home     string         // where the environment goes
	Python   string         // the interpreter to make it with; empty to look for one
	IndexURL string         // of another package index; empty for pip's own setting
	Progress func(Progress) // may be nil
	Log      io.Writer      // takes what pip prints; may be nil
}

// Progress is how far an installation has come.
type Progress struct {
	Phase   string // "preparing", "downloading", "installing", "checking"
	Package string // being downloaded
	Done    int    // packages
	Total   int    // 0 while unknown
}

// Install makes a virtual environment with the packages of the lock file. It is made in a directory of its own and
// named in environment.json when it is complete and has been tried, so an interrupted installation changes
// nothing; packages it has downloaded are not downloaded again. An environment of an earlier version is
// removed when the new one is complete.
func Install(ctx context.Context, o Installation) (Environment, error) {
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	o.Progress(Progress{Phase: "preparing"})
	base, err := findPython(ctx, o.Python)
	if err != nil {
		return Environment{}, err
	}
	if err := os.MkdirAll(o.Home, 0o700); err != nil {
		return Environment{}, fmt.Errorf("make %s: %w", o.Home, err)
	}
	before, _ := Find(o.Home)
	sweep(o.Home, before.Directory)
	directory, err := os.MkdirTemp(o.Home, "environment-")
	if err != nil {
		return Environment{}, err
	}
	e := Environment{Directory: filepath.Base(directory), Lock: lockDigest(), Base: base, home: o.Home}
	if err := o.fill(ctx, &e); err != nil {
		os.RemoveAll(directory)
		return Environment{}, err
	}
	if before.Directory != "" {
		os.RemoveAll(filepath.Join(o.Home, before.Directory))
	}
	os.RemoveAll(filepath.Join(o.Home, "downloads"))
	return e, nil
}

// fill makes the environment, tries it and writes environment.json.
func (o Installation) fill(ctx context.Context, e *Environment) error {
	if out, err := exec.CommandContext(ctx, e.Base, "-I", "-m", "venv", filepath.Join(o.Home, e.Directory)).CombinedOutput(); ctx.Err() != nil {
		return errInterrupted
	} else if err != nil {
		return fmt.Errorf("%s cannot make a virtual environment (on Debian and Ubuntu, install python3-venv): %s", e.Base, lastLine(out, err))
	}
	if err := o.pip(ctx, *e); err != nil {
		return err
	}
	o.Progress(Progress{Phase: "checking"})
	var err error
	if e.Versions, err = try(ctx, e.Python()); err != nil {
		return err
	}
	e.InstalledAt = time.Now().UTC().Truncate(time.Second)
	body, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return disk.WriteFile(stamp(o.Home), append(body, '\n'), 0o600)
}

// tried imports what the worker imports and prints the versions.
const tried = `import json, platform, diffusers, peft, safetensors, scipy, torch, transformers
print(json.dumps({"python": platform.python_version(), **{m.__name__: m.__version__ for m in (torch, diffusers, transformers, peft)}}))`

func try(ctx context.Context, python string) (map[string]string, error) {
	command := exec.CommandContext(ctx, python, "-I", "-c", tried)
	var out, problem bytes.Buffer
	command.Stdout, command.Stderr = &out, &problem
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("the packages are installed and cannot be imported: %s", lastLine(problem.Bytes(), err))
	}
	var versions map[string]string
	if err := json.Unmarshal(bytes.TrimSpace(out.Bytes()), &versions); err != nil {
		return nil, fmt.Errorf("the packages are installed and do not tell their versions: %w", err)
	}
	return versions, nil
}

// sweep removes environments that an installation began and never finished. A day is more than one takes.
func sweep(home, keep string) {
	entries, _ := os.ReadDir(home)
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), "environment-") && entry.Name() != keep && time.Since(info.ModTime()) > 24*time.Hour {
			os.RemoveAll(filepath.Join(home, entry.Name()))
		}
	}
}

func lastLine(out []byte, err error) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return err.Error()
}
