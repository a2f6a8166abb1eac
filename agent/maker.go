package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
)

// maker does the work of attempts: it has a slot's runtime make the images, signs how they were made
// and sees to it that they are delivered.
type maker struct {
	slots        *slots
	runtimes     *runtimes
	devices      *devices
	uploads      *uploader
	free         chan int // slots without work
	key          ed25519.PrivateKey
	nodeID       func() string
	previewEvery int
	log          *slog.Logger
}

// work takes an attempt from the stage of its record to its end. How it ended is decided by the cause of
// ctx: a dropped attempt is not reported, and one that the agent's stop interrupted has failed unless
// all of its images are made.
func (m *maker) work(ctx context.Context, a *attempt) {
	log := m.log.With("job", a.id.Job, "attempt", a.id.Number)
	err := m.makeAndDeliver(ctx, a)
	cause := context.Cause(ctx)
	switch {
	case err == nil:
		log.Info("attempt done", "images", len(a.entry.Images))
	case errors.Is(err, errDropped):
		m.slots.drop(errDropped, a.id) // as the coordinator answered an upload
		return
	case errors.Is(cause, errDropped), errors.Is(cause, errLease):
		return
	case errors.Is(cause, errStopping) && a.entry.Stage == stageDone:
		log.Info("delivery put off until the next start")
		return
	case errors.Is(cause, errStopping):
		err = api.Errorf(api.CodeNodeStopped, "the agent was stopped before the images were made")
	}
	if err != nil {
		reason := shortened(*api.AsError(err, api.CodeRuntimeFailed))
		log.Warn("attempt failed", "code", reason.Code)
		if err := a.entry.fail(reason); err != nil {
			log.Error("failure is kept in memory only", "error", err)
		}
	}
	m.slots.finish(a, a.entry.outcome())
}

// The most bytes of a failure's text and of its faults as JSON. They have to fit into a frame also
// when each byte of the text becomes six of JSON.
const (
	maxReason = 8 << 10
	maxFaults = 8 << 10
	maxWord   = 64 // of a code or phase
)

// shortened makes a failure fit into a frame, however much the runtime reported.
func shortened(e api.Error) api.Error {
	if len(e.Message) > maxReason {
		e.Message = e.Message[:maxReason] + "..."
	}
	if len(e.Code) > maxWord {
		e.Code = api.CodeRuntimeFailed
	}
	if faults, err := json.Marshal(e.Faults); err != nil || len(faults) > maxFaults {
		e.Faults = nil
	}
	return e
}

// makeAndDeliver delivers each image while later ones are being made.
func (m *maker) makeAndDeliver(ctx context.Context, a *attempt) error {
	d := m.uploads.deliver(ctx, a.entry)
	err := m.makeAll(d.ctx, a, d)
	if err != nil {
		d.cancel(err) // images of a failed attempt are of no use
	}
	if e := d.finish(); e != nil {
		err = e // why making was interrupted
	}
	if err != nil {
		return err
	}
	a.entry.Delivered = true
	if err := a.entry.write(); err != nil {
		// Not worth a failure: after a restart the images are delivered a second time.
		m.log.Warn("delivery is kept in memory only", "error", err)
	}
	return nil
}

// makeAll makes the images, unless they are made by the stage of the record, and hands them to d.
func (m *maker) makeAll(ctx context.Context, a *attempt, d *delivery) error {
	if a.entry.Stage == stageDone {
		for _, image := range a.entry.Images {
			d.add(image)
		}
		return nil
	}
	var slot int
	select {
	case slot = <-m.free:
		defer func() { m.free <- slot }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := m.generate(ctx, a, slot, d); err != nil {
		return err
	}
	m.slots.vacate(a)
	m.progress(a, api.Progress{Phase: api.PhaseUploading, Image: len(a.entry.Images) - 1})
	return nil
}

// generate runs the attempt on a slot and records that it is done.
func (m *maker) generate(ctx context.Context, a *attempt, slot int, d *delivery) error {
	assign := a.entry.Assign
	if len(assign.Spec.Inputs()) > 0 {
		m.progress(a, api.Progress{Phase: api.PhasePreparing, Steps: assign.Spec.Steps})
		if err := m.uploads.fetch(ctx, a.entry); err != nil {
			return err
		}
	}
	runtime := m.runtimes.find(slot, assign.Runtime)
	if runtime == nil {
		return api.Errorf(api.CodeRejected, "runtime %s never started on slot %d", assign.Runtime, slot)
	}
	process, err := runtime.await(ctx)
	if err != nil {
		return err
	}
	started := time.Now()
	m.progress(a, api.Progress{Phase: api.PhaseLoading, Steps: assign.Spec.Steps})
	if err := process.Load(ctx, assign.Spec.Model); err != nil {
		return err
	}
	loaded := time.Since(started).Seconds()
	made, err := process.Generate(ctx, assign.Spec, a.entry.dir, max(m.previewEvery, 0), m.watch(a, d))
	if err != nil {
		return err
	}
	if len(a.entry.Images) != assign.Spec.N {
		return api.Errorf(api.CodeRuntimeFailed, "the runtime made %d images of %d", len(a.entry.Images), assign.Spec.N)
	}
	if made.Timings.Load == 0 {
		made.Timings.Load = loaded
	}
	return m.sign(a.entry, made, process.Runtime(), m.devices.made(made.Device, slot))
}

// watch forwards what happens during an attempt. Its functions run one at a time.
func (m *maker) watch(a *attempt, d *delivery) runner.Watch {
	return runner.Watch{
		Progress: func(p api.Progress) {
			if len(p.Phase) <= maxWord {
				m.progress(a, p)
			}
		},
		Preview: func(p runner.Preview) {
			if len(p.JPEG) <= api.MaxPreview {
				m.slots.report(a, api.NodeMessage{Preview: &api.Previewed{Attempt: a.id, Image: p.Image, Step: p.Step, JPEG: p.JPEG}})
			}
		},
		Image: func(path string, image api.Image) error {
			if image.Index != len(a.entry.Images) || image.Index >= a.entry.Assign.Spec.N {
				return api.Errorf(api.CodeRuntimeFailed, "the runtime made image %d out of turn", image.Index)
			}
			if !slices.Contains(imageTypes, image.Type) { // it becomes a header
				return api.Errorf(api.CodeRuntimeFailed, "the runtime made an image of type %s, want one of %s", api.Quote(image.Type), strings.Join(imageTypes, ", "))
			}
			if err := verify(path, image); err != nil {
				return err
			}
			kept := keptImage{Name: filepath.Base(path), Image: image}
			a.entry.Images = append(a.entry.Images, kept)
			d.add(kept)
			return nil
		},
	}
}

// imageTypes are what the coordinator takes.
var imageTypes = []string{"image/png", "image/jpeg", "image/webp"}

func (m *maker) progress(a *attempt, p api.Progress) {
	m.slots.report(a, api.NodeMessage{Progress: &api.Progressed{Attempt: a.id, Progress: p}})
}

// verify compares a file with its runtime's description: the receipt vouches for this digest.
func verify(path string, image api.Image) error {
	f, err := os.Open(path)
	if err != nil {
		return api.Errorf(api.CodeRuntimeFailed, "image %d cannot be read: %v", image.Index, err)
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return api.Errorf(api.CodeRuntimeFailed, "image %d cannot be read: %v", image.Index, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != image.SHA256 || size != image.Bytes {
		return api.Errorf(api.CodeRuntimeFailed, "image %d is not the file the runtime described: got %d bytes %s, want %d bytes %s",
			image.Index, size, got, image.Bytes, image.SHA256)
	}
	return nil
}

// sign writes the receipt and records that the attempt is done.
func (m *maker) sign(e *entry, made runner.Made, info api.Runtime, device string) error {
	spec := e.Assign.Spec
	receipt := &api.Receipt{
		Attempt: e.Assign.Attempt, NodeID: m.nodeID(), Device: device, Runtime: info.Name, RuntimeVersion: info.Version,
		Model: spec.Model, ModelDigest: made.ModelDigest, LoRADigests: made.LoRADigests, VAEDigest: made.VAEDigest, Safety: made.Safety,
		Scheduler: made.Scheduler, Steps: made.Steps, GuidanceScale: spec.GuidanceScale, Width: spec.Width, Height: spec.Height,
		OutputWidth: spec.OutputWidth, OutputHeight: spec.OutputHeight,
		Timings: made.Timings, FinishedAt: time.Now().UTC(),
	}
	for _, image := range e.Images {
		receipt.Seeds = append(receipt.Seeds, image.Seed)
		receipt.ImageDigests = append(receipt.ImageDigests, image.SHA256)
		if image.Flagged {
			receipt.Flagged = append(receipt.Flagged, image.Index)
		}
	}
	if err := receipt.Sign(m.key); err != nil {
		return fmt.Errorf("sign receipt: %w", err)
	}
	if err := fitsFrame(e.Assign.Attempt, *receipt, e.Images); err != nil {
		return err
	}
	e.Stage, e.Receipt = stageDone, receipt
	if err := e.write(); err != nil {
		return api.Errorf(api.CodeUploadFailed, "the result could not be kept: %v", err)
	}
	return nil
}

// fitsFrame returns an error for a result that is too large for a frame: it would end every session in
// which it is sent.
func fitsFrame(a api.Attempt, receipt api.Receipt, images []keptImage) error {
	done := record{Stage: stageDone, Assign: api.Assign{Attempt: a}, Images: images, Delivered: true, Receipt: &receipt}.outcome()
	frame, err := json.Marshal(done)
	if err != nil || len(frame) > api.MaxFrame {
		return api.Errorf(api.CodeRuntimeFailed, "the runtime's report on the images is too long: a frame of %d bytes, limit %d", len(frame), api.MaxFrame)
	}
	return nil
}
