package artifact

import (
	"testing"

	"github.com/easelgrid/easel/coordinator/artifact/s3test"
)

// The server checks signatures, without which the tests with it would say nothing about ours.
func TestBucketWithAnotherSecret(t *testing.T) {
	s3test.Each(t, func(t *testing.T, where string) {
		t.Setenv("AWS_SECRET_ACCESS_KEY", "another secret")
		if bucket, err := openS3(t.Context(), where); err == nil {
			bucket.close()
			t.Error("opened")
		}
	})
}
