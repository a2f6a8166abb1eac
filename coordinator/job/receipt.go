package job

import (
	"fmt"
	"slices"

	"github.com/easelgrid/easel/api"
)

// accepts checks a receipt against what was asked for and what was uploaded. Its signature is
// checked by the caller, who knows the node's key.
func (r *Record) accepts(receipt api.Receipt) error {
	spec, images := r.Job.Spec, r.Job.Images
	if len(images) != spec.N {
		return api.Errorf(api.CodeUploadFailed, "%d of %d images were uploaded", len(images), spec.N)
	}
	want := make([]string, spec.N)
	seeds := make([]int64, spec.N)
	for i, image := range images {
		want[i], seeds[i] = image.SHA256, image.Seed
	}
	var wrong string
	switch {
	case receipt.Attempt != r.Attempt():
		wrong = fmt.Sprintf("attempt %d of job %s", receipt.Number, receipt.Job)
	case receipt.NodeID != r.Job.NodeID:
		wrong = "node " + receipt.NodeID
	case receipt.Model != spec.Model:
		wrong = "model " + api.Quote(receipt.Model)
	case receipt.Width != spec.Width || receipt.Height != spec.Height:
		wrong = fmt.Sprintf("size %d x %d", receipt.Width, receipt.Height)
	case receipt.OutputWidth != spec.OutputWidth || receipt.OutputHeight != spec.OutputHeight: // also an agent that knows of none
		wrong = fmt.Sprintf("finished size %d x %d", receipt.OutputWidth, receipt.OutputHeight)
	case !slices.Equal(receipt.Seeds, seeds):
		wrong = fmt.Sprintf("seeds %v", receipt.Seeds)
	case !slices.Equal(receipt.ImageDigests, want):
		wrong = "image digests that are not those uploaded"
	default:
		return nil
	}
	return api.Errorf(api.CodeRuntimeFailed, "the receipt does not match the job: it has %s", wrong)
}
