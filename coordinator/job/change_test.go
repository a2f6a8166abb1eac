package job

import (
	"testing"

	"github.com/easelgrid/easel/api"
)

// Another writer between the read and the write of a transition is no failure of storage: the transition is
// made on what is there then.
func TestChangeThatLosesACompareAndSetIsMadeAgain(t *testing.T) {
	s, a := sharedStore(t)
	j := openJobs(t, s, a)
	submitted, err := j.Submit(t.Context(), Submission{Spec: api.ImageSpec{Model: "shapes", N: 1}})
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	r, err := j.Change(t.Context(), submitted.ID, func(r *Record) error {
		if tries++; tries == 1 {
			if _, _, err := j.records.Update(t.Context(), submitted.ID, func(r *Record, _ uint64) error {
				r.Base = "http://written.meanwhile"
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		return r.Assign("n", "test", nil)
	})
	if err != nil || StorageFailed(err) {
		t.Fatalf("after %d tries: %v", tries, err)
	}
	if tries != 2 || r.Base != "http://written.meanwhile" || r.Job.State != api.StateAssigned || r.Job.Attempt != 1 {
		t.Errorf("after %d tries it is %+v", tries, r)
	}
	if found, err := j.Find(t.Context(), submitted.ID); err != nil || found.Job.State != api.StateAssigned {
		t.Errorf("found %s, %v", found.Job.State, err)
	}
}
