package safetensors

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file puts a header and a body together.
func file(header string, body int) []byte {
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	data = append(data, header...)
	return append(data, make([]byte, body)...)
}

func TestGoodFile(t *testing.T) {
	data := file(`{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[],"data_offsets":[4,8]},`+
		`"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"none":{"dtype":"I64","shape":[0],"data_offsets":[8,8]}}  `, 8)
	copy(data[len(data)-8:], []byte{0x00, 0x3c, 0x00, 0xc0, 0x00, 0x00, 0x80, 0x3f})
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.Names(), " "); got != "a b none" || f.Metadata("format") != "pt" {
		t.Fatalf("names %q, format %q", got, f.Metadata("format"))
	}
	a, _ := f.Tensor("a")
	if x, err := a.Float32s(); err != nil || len(x) != 2 || x[0] != 1 || x[1] != -2 || a.Len() != 2 {
		t.Fatalf("a is %v, %v", x, err)
	}
	b, _ := f.Tensor("b")
	if x, err := b.Float32s(); err != nil || len(x) != 1 || x[0] != 1 || len(b.Shape) != 0 {
		t.Fatalf("b is %v, %v", x, err)
	}
	none, _ := f.Tensor("none")
	if _, err := none.Float32s(); err == nil {
		t.Fatal("I64 was decoded")
	}
	if _, ok := f.Tensor("c"); ok {
		t.Fatal("there is no c")
	}
}

func TestBadFilesAreErrors(t *testing.T) {
	one := func(dtype, shape, offsets string) string {
		return `{"a":{"dtype":"` + dtype + `","shape":` + shape + `,"data_offsets":` + offsets + `}}`
	}
	huge := binary.LittleEndian.AppendUint64(nil, math.MaxUint64)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "too few"},
		{"seven bytes", make([]byte, 7), "too few"},
		{"length of 2^64-1", huge, "above the limit"},
		{"length beyond the file", binary.LittleEndian.AppendUint64(nil, 9), "more than the 0 bytes"},
		{"no header", file("", 0), "not a JSON object"},
		{"not an object", file("[1]", 0), "not a JSON object"},
		{"broken JSON", file(`{"a":`, 0), "unexpected EOF"},
		{"unclosed", file(`{`, 0), "unexpected EOF"},
		{"bytes behind", file(`{} {}`, 0), "behind"},
		{"twice", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0), "twice"},
		{"metadata twice", file(`{"__metadata__":{},"__metadata__":{}}`, 0), "twice"},
		{"metadata of numbers", file(`{"__metadata__":{"a":1}}`, 0), "__metadata__"},
		{"unknown dtype", file(one("F4", "[1]", "[0,1]"), 1), "unknown dtype"},
		{"negative side", file(one("U8", "[-1]", "[0,1]"), 1), "negative"},
		{"negative offset", file(one("U8", "[1]", "[-1,0]"), 1), "tensor"},
		{"fraction", file(one("U8", "[1.5]", "[0,1]"), 1), "tensor"},
		{"overflow", file(one("F32", "[4294967296,4294967296]", "[0,0]"), 0), "overflow"},
		{"overflow to zero", file(one("F32", "[4611686018427387904,4]", "[0,0]"), 0), "overflow"},
		{"many sides", file(one("U8", "["+strings.Repeat("1,", 16)+"1]", "[0,1]"), 1), "dimensions"},
		{"end before begin", file(one("U8", "[1]", "[1,0]"), 1), "lies at"},
		{"beyond the body", file(one("U8", "[2]", "[0,2]"), 1), "lies at"},
		{"wrong size", file(one("F16", "[3]", "[0,4]"), 4), "need 6"},
		{"hole at the start", file(one("U8", "[1]", "[1,2]"), 2), "begins at byte 1"},
		{"bytes at the end", file(one("U8", "[1]", "[0,1]"), 2), "end at byte 1 of 2"},
		{"overlap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "begins at byte 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.data)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "testdata", "noise.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := Parse(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were taken", n, len(data))
		}
	}
}

func TestHalfAndBrain(t *testing.T) {
	for _, c := range []struct {
		bits uint16
		want float32
	}{
		{0x0000, 0}, {0x3c00, 1}, {0xc000, -2}, {0x7bff, 65504}, {0x0400, 1.0 / 16384},
		{0x0001, 1.0 / (1 << 24)}, {0x03ff, 1023.0 / (1 << 24)}, {0x8001, -1.0 / (1 << 24)},
		{0x7c00, float32(math.Inf(1))}, {0xfc00, float32(math.Inf(-1))}, {0x3555, 0.33325195},
	} {
		if got := fromHalf(c.bits); got != c.want {
			t.Errorf("%#04x is %g, want %g", c.bits, got, c.want)
		}
	}
	if got := fromHalf(0x7e00); got == got {
		t.Errorf("0x7e00 is %g, want not a number", got)
	}
	brain := Tensor{DType: BF16, Shape: []int{1}, raw: []byte{0x80, 0xbf}}
	if x, _ := brain.Float32s(); x[0] != -1 {
		t.Errorf("0xbf80 is %g, want -1", x[0])
	}
}

// FuzzParse looks for panics and for tensors that do not lie inside the file.
func FuzzParse(f *testing.F) {
	f.Add(file(`{}`, 0))
	f.Add(file(`{"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}`, 8))
	f.Add(file(`{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}`, 6))
	f.Add(binary.LittleEndian.AppendUint64(nil, 100_000_000))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		total := 0
		for _, name := range file.Names() {
			tensor, ok := file.Tensor(name)
			if !ok {
				t.Fatalf("%q is listed and not there", name)
			}
			elements := 1
			for _, side := range tensor.Shape {
				elements *= side
			}
			if elements != tensor.Len() {
				t.Fatalf("%q has %d elements, its shape %v", name, tensor.Len(), tensor.Shape)
			}
			total += len(tensor.raw)
			if x, err := tensor.Float32s(); err == nil && len(x) != elements {
				t.Fatalf("%q decoded to %d elements of %d", name, len(x), elements)
			}
		}
		if total > len(data) {
			t.Fatalf("the tensors have %d bytes, the file %d", total, len(data))
		}
	})
}
