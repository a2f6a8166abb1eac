package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // to read the size of what clients send
	_ "image/png"
	"math"
)

// Limits of a picture that a client sends.
const (
	MaxInputBytes  = 20 << 20
	MaxInputPixels = 64 << 20
	MaxInputSide   = 1<<16 - 1 // what JPEG allows
)

// wantPicture is the limit of what is no picture.
const wantPicture = "a PNG, JPEG or WebP file"

// ReadInput describes a PNG, JPEG or WebP file by its header, without decoding it. Width and height are
// those of the picture as it is looked at: see [Orientation]. The error is a [Fault] without a field.
func ReadInput(file []byte) (Input, error) {
	if len(file) > MaxInputBytes {
		return Input{}, Fault{Value: fmt.Sprintf("%d bytes", len(file)), Limit: fmt.Sprintf("at most %d", MaxInputBytes)}
	}
	kind, width, height, err := header(file)
	if errors.Is(err, errMoves) {
		return Input{}, Fault{Value: "an animated WebP file", Limit: "a still picture"}
	}
	if err != nil {
		return Input{}, Fault{Value: fmt.Sprintf("%d bytes of something else", len(file)), Limit: wantPicture}
	}
	if !inputFits(width, height) {
		return Input{}, Fault{Value: fmt.Sprintf("%d x %d pixels", width, height), Limit: fmt.Sprintf("at most %d, and %d on a side", MaxInputPixels, MaxInputSide)}
	}
	if Orientation(file) > 4 {
		width, height = height, width
	}
	sum := sha256.Sum256(file)
	return Input{
		SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(file)), Type: "image/" + kind, Width: width, Height: height,
	}, nil
}

func inputFits(width, height int) bool {
	return width >= 1 && height >= 1 && max(width, height) <= MaxInputSide && width <= MaxInputPixels/height
}

func header(file []byte) (kind string, width, height int, err error) {
	if len(file) >= 12 && string(file[:4]) == "RIFF" && string(file[8:12]) == "WEBP" {
		width, height, err = webpSize(file[12:])
		return "webp", width, height, err
	}
	c, kind, err := image.DecodeConfig(bytes.NewReader(file))
	if err == nil && kind != "png" && kind != "jpeg" { // whatever else a program has registered
		err = errors.New("not a picture of the web")
	}
	return kind, c.Width, c.Height, err
}

// webpSize reads the first chunk of a WebP file: VP8X has the canvas (RFC 9649, section 2.7), VP8L and
// VP8 begin with their own header (section 3.4; RFC 6386, section 9.1).
func webpSize(chunk []byte) (width, height int, err error) {
	if len(chunk) < 18 {
		return 0, 0, errors.New("too short")
	}
	body := chunk[8:]
	switch string(chunk[:4]) {
	case "VP8X":
		if body[0]&2 != 0 {
			return 0, 0, errMoves
		}
		return 1 + int(body[4]) + int(body[5])<<8 + int(body[6])<<16, 1 + int(body[7]) + int(body[8])<<8 + int(body[9])<<16, nil
	case "VP8L":
		bits := binary.LittleEndian.Uint32(body[1:])
		if body[0] != 0x2f {
			return 0, 0, errors.New("no VP8L signature")
		}
		return 1 + int(bits&0x3fff), 1 + int(bits>>14&0x3fff), nil
	case "VP8 ":
		if body[3] != 0x9d || body[4] != 0x01 || body[5] != 0x2a {
			return 0, 0, errors.New("no key frame")
		}
		return int(binary.LittleEndian.Uint16(body[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(body[8:]) & 0x3fff), nil
	}
	return 0, 0, errors.New("unknown chunk")
}

// errMoves is a file of several pictures.
var errMoves = errors.New("animated")

// InversionScheduler walks a picture back to noise.
const InversionScheduler = "DDIMInverseScheduler"

// pictures fills in what the request's pictures decide: mode, size and strength.
func (r JobRequest) pictures(s *ImageSpec, m Model) []Fault {
	var faults []Fault
	for field, p := range map[string]struct {
		file []byte
		to   **Input
	}{"init_image": {r.InitImage, &s.InitImage}, "mask_image": {r.MaskImage, &s.MaskImage}} {
		if len(p.file) == 0 {
			continue
		}
		in, err := ReadInput(p.file)
		if err != nil {
			faults = append(faults, FaultOf(field, err, wantPicture))
		}
		*p.to = &in
	}
	if s.Scheduler == InversionScheduler {
		s.Mode = ModeInversion
	} else if s.Mode == ModeInversion && r.Scheduler == "" {
		s.Scheduler = InversionScheduler
	}
	s.Width, s.Height = or(r.Width, m.Width), or(r.Height, m.Height)
	if in := s.InitImage; in != nil && r.Width == nil && r.Height == nil && legalSide(in.Width) && legalSide(in.Height) {
		s.Width, s.Height = in.Width, in.Height
	}
	switch {
	case r.Strength != nil:
		s.Strength = *r.Strength
		if s.InitImage == nil {
			faults = append(faults, Fault{"strength", number(*r.Strength), "only with init_image"})
		}
	case s.InitImage != nil && (s.MaskImage != nil || s.Mode == ModeInversion):
		s.Strength = 1
	case s.InitImage != nil:
		s.Strength = 0.8
	}
	return faults
}

func legalSide(side int) bool { return side >= MinSide && side <= MaxSide && side%SizeStep == 0 }

// inputFaults are those of a spec's pictures and of what belongs to them.
func (s ImageSpec) inputFaults() []Fault {
	var faults []Fault
	add := func(field, value, limit string) { faults = append(faults, Fault{field, value, limit}) }
	if s.Mode != "" && s.Mode != ModeInversion {
		add("mode", Quote(string(s.Mode)), "inversion, or none")
	}
	if (s.Mode == ModeInversion) != (s.Scheduler == InversionScheduler) {
		add("scheduler", Quote(s.Scheduler), InversionScheduler+" with mode inversion, and only there")
	}
	if s.InitImage == nil {
		if s.Mode == ModeInversion {
			add("init_image", "", "a picture: "+InversionScheduler+" walks one back to noise")
		}
		if s.MaskImage != nil {
			add("mask_image", "", "only with init_image")
		}
		return faults
	}
	if s.MaskImage != nil && s.Mode == ModeInversion {
		add("mask_image", "", "none with mode inversion")
	}
	known := func(in *Input) bool { return in != nil && in.Width > 0 } // else it has a fault of its own
	if m := s.MaskImage; known(m) && known(s.InitImage) && (m.Width != s.InitImage.Width || m.Height != s.InitImage.Height) {
		add("mask_image", fmt.Sprintf("%d x %d pixels", m.Width, m.Height), fmt.Sprintf("%d x %d, the size of init_image", s.InitImage.Width, s.InitImage.Height))
	}
	if !(s.Strength > 0 && s.Strength <= 1) {
		add("strength", number(s.Strength), "more than 0, at most 1")
	} else if s.Steps >= 1 && s.EffectiveSteps() < 1 {
		add("strength", number(s.Strength), fmt.Sprintf("at least %s: of %d steps, strength leaves none", number(leastStrength(s.Steps)), s.Steps))
	}
	for field, in := range s.Inputs() {
		if !isDigest(in.SHA256) || in.Bytes < 1 || in.Bytes > MaxInputBytes || !inputFits(in.Width, in.Height) {
			add(field, "", "a PNG, JPEG or WebP file within the limits")
		}
	}
	return faults
}

// leastStrength leaves one step.
func leastStrength(steps int) float64 {
	least := 1 / float64(steps)
	if least*float64(steps) < 1 { // as with 49
		least = math.Nextafter(least, 1)
	}
	return least
}

// EffectiveSteps are those that are really made: with an init image the first ones are left out
// (Meng et al. 2021, arXiv:2108.01073, in diffusers' rounding).
func (s ImageSpec) EffectiveSteps() int {
	if s.InitImage == nil {
		return s.Steps
	}
	return min(int(float64(s.Steps)*s.Strength), s.Steps)
}

// isDigest reports whether s is a SHA-256 in lower-case hex. Digests become file names.
func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && hex.EncodeToString(b) == s
}

// FileName is the name under which a job's directory holds the picture.
func (in Input) FileName() string { return "input-" + in.SHA256 }
