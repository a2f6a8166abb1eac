package catalog

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/easelgrid/easel/api"
)

// Apply turns a request for the model into one for the nodes' model: it fills in the defaults, gives
// LoRAs the nodes' names and finds the size to make. It lists what exceeds the catalog's limits; all
// else that is wrong with the request stays so for others to find. SizeStep is what the sides of a
// picture that a node makes are multiples of.
func (m *Model) Apply(r api.JobRequest, served api.Model, sizeStep int) (api.JobRequest, []api.Fault) {
	r.Model = m.Serves
	r = m.filled(r, served)
	faults := m.limited(r)
	r.LoRAs = slices.Clone(r.LoRAs)
	for i, l := range r.LoRAs {
		r.LoRAs[i].Name = cmp.Or(m.LoRAs[l.Name], l.Name)
	}
	asked, ok := m.asked(r, served)
	if !ok {
		return r, faults
	}
	// A client's own finished size is within no limit yet: its area may not fit into an int.
	if limit := m.Limits.Pixels; limit > 0 && float64(asked.Width)*float64(asked.Height) > float64(limit) {
		faults = append(faults, api.Fault{
			Field: "width x height", Value: fmt.Sprintf("%d x %d = %d pixels", asked.Width, asked.Height, asked.Width*asked.Height),
			Limit: fmt.Sprintf("at most %d pixels", limit),
		})
	}
	if r.OutputWidth != nil { // the client does by itself what a catalog does
		return r, faults
	}
	return m.sized(r, asked, served, max(sizeStep, 1)), faults
}

// filled puts the defaults where the request leaves them out. A scheduler that the nodes have defaults of
// their own for keeps those.
func (m *Model) filled(r api.JobRequest, served api.Model) api.JobRequest {
	d := m.Defaults
	_, own := served.SchedulerDefaults[r.Scheduler]
	if own = own && r.Scheduler != ""; !own {
		r.Steps, r.GuidanceScale = cmp.Or(r.Steps, d.Steps), cmp.Or(r.GuidanceScale, d.GuidanceScale)
	}
	r.Scheduler = cmp.Or(r.Scheduler, d.Scheduler)
	r.NegativePrompt = cmp.Or(r.NegativePrompt, d.NegativePrompt)
	if most := m.Limits.Steps; r.Steps == nil && !own && most > 0 && served.Steps > most {
		r.Steps = &most
	}
	return r
}

// asked is the size that the finished picture is to have, and whether it is one that there can be.
func (m *Model) asked(r api.JobRequest, served api.Model) (Size, bool) {
	if r.OutputWidth != nil && r.OutputHeight != nil {
		return Size{*r.OutputWidth, *r.OutputHeight}, true
	}
	if r.OutputWidth != nil || r.OutputHeight != nil {
		return Size{}, false
	}
	size := Size{cmp.Or(m.Defaults.Width, m.Native.Width, served.Width), cmp.Or(m.Defaults.Height, m.Native.Height, served.Height)}
	if r.Width == nil && r.Height == nil && len(r.InitImage) > 0 {
		in, err := api.ReadInput(r.InitImage)
		if err != nil {
			return Size{}, false
		}
		if size = (Size{in.Width, in.Height}); m.Upscale {
			size = within(size, cmp.Or(m.Limits.Pixels, api.MaxSide*api.MaxSide))
		} else if !makable(size, api.SizeStep) {
			return Size{}, false // the nodes' default, then
		}
	}
	if r.Width != nil {
		size.Width = *r.Width
	}
	if r.Height != nil {
		size.Height = *r.Height
	}
	legal := func(side int) bool { return side >= 1 && side <= api.MaxSide }
	return size, legal(size.Width) && legal(size.Height)
}

// within is the size of a picture that nobody asked to be brought to another: its own, or the largest of
// about its shape that there may be.
func within(s Size, pixels int) Size {
	scale := min(1, float64(api.MaxSide)/float64(max(s.Width, s.Height)), math.Sqrt(float64(pixels)/(float64(s.Width)*float64(s.Height))))
	return Size{max(1, int(float64(s.Width)*scale)), max(1, int(float64(s.Height)*scale))}
}

func makable(s Size, step int) bool {
	return s.Width >= api.MinSide && s.Height >= api.MinSide && s.Width%step == 0 && s.Height%step == 0
}

// sized asks for the size, or for one near the native size that is brought to it.
func (m *Model) sized(r api.JobRequest, asked Size, served api.Model, step int) api.JobRequest {
	native := Size{cmp.Or(m.Native.Width, served.Width), cmp.Or(m.Native.Height, served.Height)}
	step = leastMultiple(step, api.SizeStep)
	if !m.Upscale || makable(asked, step) && asked.Width*asked.Height <= native.Width*native.Height {
		if len(r.InitImage) == 0 || r.Width != nil || r.Height != nil {
			r.Width, r.Height = &asked.Width, &asked.Height
		}
		return r
	}
	made := fit(asked, native, step)
	r.Width, r.Height = &made.Width, &made.Height
	if made != asked {
		r.OutputWidth, r.OutputHeight = &asked.Width, &asked.Height
	}
	return r
}

// fit is a size of about the shape of asked and about the area of native, with sides that are
// multiples of step.
func fit(asked, native Size, step int) Size {
	area := float64(native.Width * native.Height)
	scale := math.Sqrt(area / float64(asked.Width*asked.Height))
	least := (api.MinSide + step - 1) / step * step
	side := func(length, most float64) int {
		steps := int(math.Round(math.Min(length, most) / float64(step)))
		return max(least, min(steps, api.MaxSide/step)*step)
	}
	most := area / float64(least)
	return Size{side(float64(asked.Width)*scale, most), side(float64(asked.Height)*scale, most)}
}

func leastMultiple(a, b int) int {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

func fault(field string, got, most int) api.Fault {
	return api.Fault{Field: field, Value: strconv.Itoa(got), Limit: "at most " + strconv.Itoa(most)}
}
