package dialect

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/api"
)

func TestResized(t *testing.T) {
	fault := func(field string) error { return api.Invalid([]api.Fault{{Field: field, Value: "1", Limit: "less"}}) }
	sized := func(width, height int) api.JobRequest {
		return api.JobRequest{Prompt: "p", Width: &width, Height: &height}
	}
	brought := func(width, height, outWidth, outHeight int) api.JobRequest {
		return api.JobRequest{Prompt: "p", Width: &width, Height: &height, OutputWidth: &outWidth, OutputHeight: &outHeight}
	}
	for name, c := range map[string]struct {
		sizing Sizing
		job    api.JobRequest
		err    error
		want   *api.JobRequest // nil for none
	}{
		"no fault":               {NearestSize, sized(1366, 768), nil, nil},
		"a fault of another":     {NearestSize, sized(1366, 768), fault("steps"), nil},
		"no multiple":            {NearestSize, sized(1366, 768), fault("width"), new(brought(1368, 768, 1366, 768))},
		"halfway is up":          {NearestSize, sized(764, 999), fault("height"), new(brought(768, 1000, 764, 999))},
		"too small":              {NearestSize, sized(1, 1024), fault("width"), new(brought(64, 1024, 1, 1024))},
		"too large":              {NearestSize, sized(9999, 1024), fault("width"), new(brought(4096, 1024, 9999, 1024))},
		"a size that is one":     {NearestSize, sized(1024, 768), fault("width"), nil},
		"too many pixels":        {NearestSize, sized(1366, 768), fault("width x height"), nil},
		"no size":                {NearestSize, api.JobRequest{Prompt: "p"}, fault("width"), nil},
		"exactly":                {ExactSize, sized(1366, 768), fault("width"), nil},
		"the model's own":        {ModelSize, sized(768, 768), fault("width"), &api.JobRequest{Prompt: "p"}},
		"the model's own pixels": {ModelSize, sized(768, 768), fault("width x height"), &api.JobRequest{Prompt: "p"}},
		"the model's, no fault":  {ModelSize, sized(768, 768), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := Request{Sizing: c.sizing, Job: c.job}
			got, ok := r.Resized(c.err)
			if ok != (c.want != nil) {
				t.Fatalf("got %v", ok)
			}
			if ok {
				if diff := cmp.Diff(*c.want, got); diff != "" {
					t.Error(diff)
				}
			}
			if r.Job.OutputWidth != nil || r.Job.Width != c.job.Width {
				t.Error("the request was changed")
			}
		})
	}
}
