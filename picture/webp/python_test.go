package webp

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// reader opens each file with libwebp's decoder and compares it with the pixels beside it: all of them
// if lossless, else alpha and, where a few samples of chroma do not decide it, the mean squared error.
// The numbers in the name are what to expect.
const reader = `
import sys
from pathlib import Path
from PIL import Image
for path in sorted(Path(sys.argv[1]).glob("*.webp")):
    quality, width, height = map(int, path.stem.split("-")[1:])
    m = Image.open(path)
    assert m.size == (width, height) and m.info["xmp"] == b"<x/>", (path, m.size, m.info)
    got, want = m.convert("RGBA").tobytes(), path.with_suffix(".raw").read_bytes()
    assert len(got) == len(want) and got[3::4] == want[3::4], path
    if quality == 100:

        assert got == want, path
    else:
        error = sum((a - b) ** 2 for a, b in zip(got, want)) / len(got)
        assert error < 60 or min(m.size) < 15, (path, error)
    print(path.stem)
`

// TestLibwebp needs a Python with Pillow, named in EASEL_PYTHON.
func TestLibwebp(t *testing.T) {
	python := os.Getenv("EASEL_PYTHON")
	if python == "" {
		t.Skip("EASEL_PYTHON names no Python")
	}
	dir, n := t.TempDir(), 0
	for _, content := range []string{"flat", "gradient", "waves", "cutout"} {
		for _, size := range sizes {
			m := draw(content, size.X, size.Y)
			for _, quality := range []int{75, 100} {
				name := filepath.Join(dir, fmt.Sprintf("%s-%d-%d-%d", content, quality, size.X, size.Y))
				file := encode(t, m, Options{Quality: quality, XMP: []byte("<x/>")})
				for _, err := range []error{os.WriteFile(name+".webp", file, 0o600), os.WriteFile(name+".raw", m.Pix, 0o600)} {
					if err != nil {
						t.Fatal(err)
					}
				}
				n++
			}
		}
	}
	out, err := exec.Command(python, "-c", reader, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("libwebp read %d files", n)
}
