package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/job"
)

// Report makes the bodies of webhooks: in the form of the dialect that a job came in, or else the job as
// the native API shows it.
func (d *Dialects) Report(links artifact.Links) func(job.Record) ([]byte, error) {
	return func(r job.Record) ([]byte, error) {
		j := r.View()
		link := func(index int) string { return r.Base + links.Image(j, index) }
		j.Images = slices.Clone(j.Images) // the record's are nobody's to change
		for i := range j.Images {
			j.Images[i].URL = link(j.Images[i].Index)
		}
		var body any = map[string]api.Job{"job": j}
		if mounted := d.find(r.Dialect); mounted != nil {
			if notifier, ok := mounted.Dialect.(dialect.Notifier); ok {
				var err error
				if body, err = notifier.Notification(j, *r.Webhook, link); err != nil {
					return nil, fmt.Errorf("the body cannot be made: %w", err)
				}
			}
		}
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false) // addresses have & in them
		err := encoder.Encode(body)
		return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
	}
}
