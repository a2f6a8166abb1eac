package modelslab

import (
	"context"
	"strings"
	"sync"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// pictures gets both at once. One that cannot be had is noted as a fault.
func (d *modelsLab) pictures(ctx context.Context, f *form, g generation) (init, mask []byte) {
	var initErr, maskErr error
	var both sync.WaitGroup
	both.Go(func() { init, initErr = d.picture(ctx, g.init) })
	both.Go(func() { mask, maskErr = d.picture(ctx, g.mask) })
	both.Wait()
	notePicture(f, "init_image", initErr)
	notePicture(f, "mask_image", maskErr)
	return init, mask
}

// picture reads an address, base64 or a data URI; none where the text is empty. The error is an
// api.Fault without a field.
func (d *modelsLab) picture(ctx context.Context, text string) (file []byte, err error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, nil
	case isAddress(text):
		if file, err = d.service.Fetch(ctx, text); err != nil {
			return nil, fetchFault(text, err)
		}
	default:
		if file, err = dialect.DecodePicture(text); err != nil {
			return nil, err
		}
	}
	if _, err := api.ReadInput(file); err != nil {
		return nil, err
	}
	return file, nil
}

func isAddress(text string) bool {
	scheme, _, ok := strings.Cut(text, "://")
	return ok && len(scheme) < 10
}

// fetchFault is that of an address which no picture comes from.
func fetchFault(address string, err error) api.Fault {
	fault := api.Fault{Value: api.Quote(address) + ": " + err.Error(), Limit: "the address of a picture"}
	if e := api.AsError(err, api.CodeInternal); len(e.Faults) == 1 { // it names the address and the reason
		fault.Value, fault.Limit = e.Faults[0].Value, e.Faults[0].Limit
	}
	fault.Limit += " (Unable to fetch image from provided URL)"
	return fault
}

func notePicture(f *form, field string, err error) {
	if err != nil {
		f.Wrong(field, err)
	}
}
