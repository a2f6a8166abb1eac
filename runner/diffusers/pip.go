package diffusers

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// pip installs the lock file's packages into the environment: only files with one of the pinned hashes, and
// none that would have to be built.
func (o Installation) pip(ctx context.Context, e Environment) error {
	lock := filepath.Join(o.Home, e.Directory, "requirements.lock")
	if err := os.WriteFile(lock, Requirements, 0o600); err != nil {
		return err
	}
	arguments := []string{
		"-I", "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check",
		"--progress-bar", "off", "--no-color", "--cache-dir", filepath.Join(o.Home, "downloads"), "--requirement", lock,
	}
	if o.IndexURL != "" {
		arguments = append(arguments, "--index-url", o.IndexURL)
	}
	command := exec.CommandContext(ctx, e.Python(), arguments...)
	command.WaitDelay = 2 * time.Second
	out, in := io.Pipe()
	command.Stdout, command.Stderr = in, in
	listener := pipListener{progress: o.Progress, log: o.Log, total: countRequirements(Requirements), phase: "downloading"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		listener.listen(out)
	}()
	stop := o.watch(filepath.Join(o.Home, e.Directory), &listener)
	err := command.Run()
	in.Close()
	<-done
	stop()
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return listener.explain(err)
	}
	return nil
}

// countRequirements counts the packages that a lock file pins, for any system.
func countRequirements(lock []byte) int {
	return len(requirementLine.FindAllIndex(lock, -1))
}

var requirementLine = regexp.MustCompile(`(?m)^[A-Za-z0-9][^\s=]*==`)
