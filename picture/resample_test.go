package picture

import (
	"fmt"
	"image"
	"runtime"
	"testing"

	"golang.org/x/image/draw"
)

// The same kernel by other means: golang.org/x/image/draw.
func TestResampleAgreesWithAnother(t *testing.T) {
	for _, size := range []struct{ fromX, fromY, toX, toY int }{
		{64, 64, 128, 96}, {200, 150, 64, 64}, {100, 30, 72, 104}, {1, 1, 64, 64}, {3, 500, 64, 64}, {640, 2, 64, 72},
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			source := noisy(size.fromX, size.fromY)
			for i := 3; i < len(source.Pix); i += 4 {
				source.Pix[i] = source.Pix[(i*7)%len(source.Pix)] // some of it transparent
			}
			want := image.NewRGBA(image.Rect(0, 0, size.toX, size.toY))
			draw.Draw(want, want.Rect, image.White, image.Point{}, draw.Src)
			opaque := image.NewRGBA(source.Rect)
			draw.Draw(opaque, opaque.Rect, image.White, image.Point{}, draw.Src)
			draw.Draw(opaque, opaque.Rect, source, image.Point{}, draw.Over)
			draw.CatmullRom.Scale(want, want.Rect, opaque, opaque.Rect, draw.Src, nil)
			got := resample(source, size.toX, size.toY)
			for i, v := range want.Pix {
				if d := abs(int(got.Pix[i]) - int(v)); d > 1 {
					t.Fatalf("byte %d is %d, want %d", i, got.Pix[i], v)
				}
			}
		})
	}
}

// A small file can hold very many rows. What it takes to shrink it depends on the target.
func TestResampleOfManyRowsTakesLittleMemory(t *testing.T) {
	tall := image.NewGray(image.Rect(0, 0, 4, 20_000))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resample(tall, 256, 64)
	runtime.ReadMemStats(&after)
	if took, limit := after.TotalAlloc-before.TotalAlloc, uint64(16<<20); took > limit {
		t.Errorf("%d bytes, want at most %d", took, limit)
	}
}
