package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"path/filepath"
	"testing"

	"github.com/easelgrid/easel/api"
)

// striped is a picture of which every pixel is told from its neighbours.
func striped(side int) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			p.SetNRGBA(x, y, color.NRGBA{uint8(x * 2), uint8(y * 2), uint8(x ^ y), 255})
		}
	}
	return p
}

func pngOf(t *testing.T, picture image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The pictures of a job outlive the coordinator and the first node, and what the mask leaves out comes
// back to the byte.
func TestInpaintingOutlivesCoordinatorAndNode(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.join(s.url, "fake")
	start := striped(128)
	mask := image.NewGray(start.Rect)
	for i := range mask.Pix[:len(mask.Pix)/2] {
		mask.Pix[i] = 255
	}
	steps := 20
	job, err := s.client.Submit(t.Context(), api.JobRequest{
		Model: "fake", Prompt: "fake:step=200ms over the upper half", Steps: &steps, InitImage: pngOf(t, start), MaskImage: pngOf(t, mask),
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	s.running(job.ID)
	second := s.join(s.url, "fake")
	s.proc.kill()
	first.kill()
	s.start()
	j := s.finished(job.ID)
	if j.Attempt != 2 || j.NodeID != second.id {
		t.Errorf("attempt %d on %s, want 2 on %s", j.Attempt, j.NodeID, second.id)
	}
	got := s.picture(j.Images[0])
	for y := range 128 {
		for x := range 128 {
			same := color.NRGBAModel.Convert(got.At(x, y)) == start.At(x, y)
			if mask.GrayAt(x, y).Y == 0 && !same {
				t.Fatalf("pixel %d,%d outside of the mask changed", x, y)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(s.data, "artifacts", "inputs", "*", "*")); len(left) > 0 {
		t.Errorf("the settled job's pictures are still there: %v", left)
	}
}

// picture fetches an image of a job.
func (s *site) picture(i api.Image) image.Image {
	s.t.Helper()
	var b bytes.Buffer
	if err := s.client.Image(s.t.Context(), i.URL, &b); err != nil {
		s.t.Fatal(err)
	}
	picture, _, err := image.Decode(&b)
	if err != nil {
		s.t.Fatal(err)
	}
	return picture
}

func TestFlaggedPicturesAreCensoredAndTheReceiptSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.join(s.url, "fake")
	job, err := s.client.Submit(t.Context(), api.JobRequest{
		Model: "fake", Prompt: "fake:flag fake:step=1ms", SafetyAction: api.SafetyBlack, Format: api.FormatJPEG,
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	j := s.finished(job.ID)
	if j.Receipt.Safety != api.SafetyChecked || !j.Images[0].Flagged || j.Images[0].Type != "image/jpeg" {
		t.Errorf("safety %s, image %+v", j.Receipt.Safety, j.Images[0])
	}
	var b bytes.Buffer
	if err := s.client.Image(t.Context(), j.Images[0].URL, &b); err != nil {
		t.Fatal(err)
	}
	picture, err := jpeg.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if r, g, bl, _ := picture.At(60, 60).RGBA(); r+g+bl > 0 {
		t.Error("the picture is not black")
	}
}
