package agent

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/disk"
)

// A stage is how far a kept attempt is.
//
//	running -> done | failed
type stage string

const (
	stageRunning stage = "running" // images are being made
	stageDone    stage = "done"    // all are made and the receipt is signed; they may still be due
	stageFailed  stage = "failed"
)

// record is attempt.json: all that is needed to report how an attempt ended, also
// after the agent or the machine restarted.
type record struct {
	Stage     stage        `json:"stage"`
	Assign    api.Assign   `json:"assign"`
	Images    []keptImage  `json:"images,omitempty"`
	Delivered bool         `json:"delivered,omitempty"` // all images are with the coordinator
	Receipt   *api.Receipt `json:"receipt,omitempty"`   // of stageDone
	Error     *api.Error   `json:"error,omitempty"`     // of stageFailed
}

// keptImage is a finished image in the attempt's directory.
type keptImage struct {
	Name string `json:"name"` // base name of the file
	api.Image
}

const recordName = "attempt.json"

// decodeRecord reads attempt.json and refuses what no agent would have written.
func decodeRecord(body []byte) (record, error) {
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return record{}, fmt.Errorf("decode %s: %w", recordName, err)
	}
	switch {
	case !api.PlainName(r.Assign.Job) || r.Assign.Number < 1:
		return record{}, fmt.Errorf("decode %s: not an attempt: %s %d", recordName, api.Quote(r.Assign.Job), r.Assign.Number)
	case len(r.Images) > api.MaxImages || slices.ContainsFunc(r.Images, keptImage.broken):
		return record{}, fmt.Errorf("decode %s: broken list of images", recordName)
	case r.Stage == stageRunning,
		r.Stage == stageDone && r.Receipt != nil && len(r.Images) > 0,
		r.Stage == stageFailed && r.Error != nil:
		return r, nil
	}
	return record{}, fmt.Errorf("decode %s: incomplete in stage %s", recordName, api.Quote(string(r.Stage)))
}

func (i keptImage) broken() bool {
	return i.Name == "." || i.Name == ".." || filepath.Base(i.Name) != i.Name || len(i.SHA256) != 64 || i.Bytes < 0
}

// outcome is the message that reports how the attempt ended; nil while that is open.
func (r record) outcome() *api.NodeMessage {
	switch {
	case r.Stage == stageFailed:
		return &api.NodeMessage{Failed: &api.Failed{Attempt: r.Assign.Attempt, Error: *r.Error}}
	case r.Stage == stageDone && r.Delivered:
		done := &api.Done{Attempt: r.Assign.Attempt, Receipt: *r.Receipt}
		for _, image := range r.Images {
			done.Images = append(done.Images, image.Image)
		}
		return &api.NodeMessage{Done: done}
	}
	return nil
}

// spool is the directory where attempts are kept, each in one of its own, until the
// coordinator has recorded how they ended.
type spool struct {
	dir string
	log *slog.Logger
}

func openSpool(data string, log *slog.Logger) (*spool, error) {
	s := &spool{dir: filepath.Join(data, "spool"), log: log}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return s, nil
}

// An entry is one attempt's directory and its record.
type entry struct {
	dir string
	record
}

func (s *spool) path(a api.Attempt) string {
	return filepath.Join(s.dir, fmt.Sprintf("%s-%d", a.Job, a.Number))
}

// create keeps a new attempt. Names come from outside and must not become paths.
func (s *spool) create(assign api.Assign) (*entry, error) {
	if !api.PlainName(assign.Job) || assign.Number < 1 {
		return nil, fmt.Errorf("keep attempt: not a job and attempt: %s %d", api.Quote(assign.Job), assign.Number)
	}
	e := &entry{dir: s.path(assign.Attempt), record: record{Stage: stageRunning, Assign: assign}}
	if err := os.Mkdir(e.dir, 0o700); err != nil {
		return nil, fmt.Errorf("keep attempt: %w", err)
	}
	if err := e.write(); err != nil {
		_ = e.remove()
		return nil, err
	}
	return e, nil
}

// write puts the record on the disk, whole or not at all.
func (e *entry) write() error {
	body, err := json.Marshal(e.record)
	if err == nil {
		err = disk.WriteFile(filepath.Join(e.dir, recordName), body, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep attempt: %w", err)
	}
	return nil
}

func (e *entry) remove() error { return os.RemoveAll(e.dir) }

// fail turns the entry into a failure. The images are of no use any more.
func (e *entry) fail(reason api.Error) error {
	for _, image := range e.Images {
		_ = os.Remove(filepath.Join(e.dir, image.Name))
	}
	e.Stage, e.Images, e.Receipt, e.Error = stageFailed, nil, nil, &reason
	return e.write()
}

// load returns what an earlier run of the agent kept. An attempt that was running then has failed;
// what cannot be read is removed, because nobody could do anything with it.
func (s *spool) load() ([]*entry, error) {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	var entries []*entry
	for _, name := range names {
		path := filepath.Join(s.dir, name.Name())
		e, err := s.peek(path)
		if err != nil {
			s.log.Warn("unreadable spool entry removed", "path", path, "error", err)
			if err := os.RemoveAll(path); err != nil {
				return nil, fmt.Errorf("clean spool: %w", err)
			}
			continue
		}
		if e.Stage == stageRunning {
			if err := e.fail(*api.Errorf(api.CodeNodeStopped, "the agent restarted")); err != nil {
				s.log.Warn("failure is kept in memory only", "path", path, "error", err)
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// peek reads an entry and changes nothing.
func (s *spool) peek(path string) (*entry, error) {
	body, err := os.ReadFile(filepath.Join(path, recordName))
	if err != nil {
		return nil, err
	}
	r, err := decodeRecord(body)
	if err != nil {
		return nil, err
	}
	if s.path(r.Assign.Attempt) != path {
		return nil, fmt.Errorf("it belongs to %s attempt %d", r.Assign.Job, r.Assign.Number)
	}
	return &entry{dir: path, record: r}, nil
}
