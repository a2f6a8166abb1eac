package webp

import (
	"fmt"
	"io"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	m := draw("waves", 512, 512)
	for _, quality := range []int{50, 80, 95, 100} {
		b.Run(fmt.Sprint("quality ", quality), func(b *testing.B) {
			b.SetBytes(int64(len(m.Pix)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Encode(io.Discard, m, Options{Quality: quality}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
