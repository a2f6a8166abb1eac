package nn

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/easelgrid/easel/runner/builtin/matrix"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// Weights builds layers from a file's tensors. Missing tensors and wrong shapes are collected, so that a
// reader of the error sees all of them; the layers of a failed load must not be used.
type Weights struct {
	file   *safetensors.File
	prefix string
	layers map[string]*Dense
	faults []error
	kept   int

	numbers, patches []float32 // memory for one layer on its way
}

// NewWeights reads from file; every name gets prefix in front.
func NewWeights(file *safetensors.File, prefix string) *Weights {
	return &Weights{file: file, prefix: prefix, layers: map[string]*Dense{}}
}

// Layers returns the linear layers and convolutions by their path, without the prefix.
func (w *Weights) Layers() map[string]*Dense { return w.layers }

// Kept returns the number of floats that the layers built so far keep, as they keep them.
func (w *Weights) Kept() int { return w.kept }

// faultLimit is the number of faults that an error lists; a file of another model has hundreds.
const faultLimit = 8

// Err returns the faults found so far, or nil.
func (w *Weights) Err() error {
	faults := w.faults
	if len(faults) == 0 {
		return nil
	}
	if rest := len(faults) - faultLimit; rest > 0 {
		faults = append(slices.Clone(faults[:faultLimit]), fmt.Errorf("and %d more faults", rest))
	}
	return fmt.Errorf("%s: %w", w.file.Name(), errors.Join(faults...))
}

func (w *Weights) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Errorf(format, args...))
}

// Has reports whether the file has the tensor.
func (w *Weights) Has(name string) bool {
	_, ok := w.file.Tensor(w.prefix + name)
	return ok
}

// tensor finds a tensor with as many elements as shape, whose sides of 1 do not count.
func (w *Weights) tensor(name string, shape ...int) (safetensors.Tensor, bool) {
	t, ok := w.file.Tensor(w.prefix + name)
	if !ok {
		w.fault("the tensor %s is missing", w.prefix+name)
		return t, false
	}
	if !slices.Equal(squeeze(t.Shape), squeeze(shape)) {
		w.fault("the tensor %s has the shape %v, the configuration needs %v", w.prefix+name, t.Shape, shape)
		return t, false
	}
	return t, true
}

// squeeze drops the sides of 1: a linear layer may be stored as a convolution of one pixel.
func squeeze(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(side int) bool { return side == 1 })
}

// Floats reads a tensor of that shape.
func (w *Weights) Floats(name string, shape ...int) []float32 {
	t, ok := w.tensor(name, shape...)
	if !ok {
		return nil
	}
	x, err := t.Float32s()
	if err != nil {
		w.fault("the tensor %s: %w", w.prefix+name, err)
	}
	w.kept += len(x)
	return x
}

// Linear builds a linear layer with a bias.
func (w *Weights) Linear(path string, in, out int) *Dense { return w.dense(path, in, out, 1, true) }

// LinearPlain builds a linear layer without a bias.
func (w *Weights) LinearPlain(path string, in, out int) *Dense {
	return w.dense(path, in, out, 1, false)
}

// Conv builds a convolution with a square kernel of an odd side, step 1 and the same size out.
func (w *Weights) Conv(path string, in, out, kernel int) *Dense {
	return w.dense(path, in, out, kernel, true)
}

func (w *Weights) dense(path string, in, out, kernel int, bias bool) *Dense {
	d := &Dense{In: in, Out: out, Kernel: kernel, stride: 1, pad: kernel / 2, padEnd: kernel / 2}
	if bias {
		d.bias = w.Floats(path+".bias", out)
	}
	t, ok := w.tensor(path+".weight", out, in, kernel, kernel)
	if !ok {
		return d
	}
	x, err := t.AppendFloat32s(w.numbers[:0])
	if err != nil {
		w.fault("the tensor %s: %w", w.prefix+path+".weight", err)
		return d
	}
	w.numbers = x
	w.patches = d.fill(x, w.patches)
	w.layers[path] = d
	w.kept += matrix.Size(in*kernel*kernel, out)
	return d
}

// GroupNorm builds a group normalisation.
func (w *Weights) GroupNorm(path string, channels, groups int, epsilon float64) *GroupNorm {
	if groups <= 0 || channels%groups != 0 {
		w.fault("%s: %d channels do not divide into %d groups", path, channels, groups)
		return nil
	}
	return &GroupNorm{Groups: groups, Epsilon: epsilon, scale: w.Floats(path+".weight", channels), bias: w.Floats(path+".bias", channels)}
}

// LayerNorm builds a layer normalisation.
func (w *Weights) LayerNorm(path string, channels int, epsilon float64) *LayerNorm {
	return &LayerNorm{Epsilon: epsilon, scale: w.Floats(path+".weight", channels), bias: w.Floats(path+".bias", channels)}
}

// Prefix returns prefix when the file has a tensor that begins with it, else "".
func Prefix(file *safetensors.File, prefix string) string {
	if slices.ContainsFunc(file.Names(), func(name string) bool { return strings.HasPrefix(name, prefix) }) {
		return prefix
	}
	return ""
}
