package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// DType names a number format as the header spells it.
type DType string

// The formats that Float32s decodes. A file may hold others beside them.
const (
	F16  DType = "F16"
	BF16 DType = "BF16"
	F32  DType = "F32"
)

// itemSize is the size in bytes of one number of each format that a file may hold.
var itemSize = map[DType]uint64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1,
	"I16": 2, "U16": 2, F16: 2, BF16: 2,
	"I32": 4, "U32": 4, F32: 4,
	"I64": 8, "U64": 8, "F64": 8,
}

// Tensor is one named array of a file, row-major, still in the file's bytes.
type Tensor struct {
	DType DType
	Shape []int
	raw   []byte
}

// Len returns the number of elements.
func (t Tensor) Len() int { return len(t.raw) / int(itemSize[t.DType]) }

// Float32s decodes the tensor. F16 and BF16 values are exact in float32.
func (t Tensor) Float32s() ([]float32, error) { return t.AppendFloat32s(nil) }

// AppendFloat32s is Float32s in the memory behind dst, as far as there is enough.
func (t Tensor) AppendFloat32s(dst []float32) ([]float32, error) {
	switch t.DType {
	case F16:
		return decode(dst, t.raw, 2, func(b []byte) float32 { return fromHalf(binary.LittleEndian.Uint16(b)) }), nil
	case BF16:
		return decode(dst, t.raw, 2, func(b []byte) float32 {
			return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
		}), nil
	case F32:
		return decode(dst, t.raw, 4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }), nil
	default:
		return nil, fmt.Errorf("the dtype %s is not implemented (F16, BF16, F32 are)", t.DType)
	}
}

func decode(dst []float32, raw []byte, size int, one func([]byte) float32) []float32 {
	n := len(dst)
	dst = slices.Grow(dst, len(raw)/size)[:n+len(raw)/size]
	for i := range dst[n:] {
		dst[n+i] = one(raw[i*size:])
	}
	return dst
}

// fromHalf widens an IEEE 754 binary16.
func fromHalf(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch {
	case exponent == 0x1f: // infinity or not a number
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	case exponent == 0: // zero or subnormal: a multiple of 2^-24
		value := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(value))
	default:
		return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
	}
}
