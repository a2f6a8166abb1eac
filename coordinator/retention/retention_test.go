package retention_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/job/jobtest"
	"github.com/easelgrid/easel/coordinator/retention"
	"github.com/easelgrid/easel/coordinator/store/storetest"
	"github.com/easelgrid/easel/internal/ident"
)

func sweeper(j *job.Jobs, a *artifact.Store, images, records time.Duration) *retention.Sweeper {
	return &retention.Sweeper{
		Jobs: j, Artifacts: a, Uploads: artifact.NewUploads(a, artifact.NewLinks(nil, time.Hour)), Log: slog.New(slog.DiscardHandler),
		Images: images, Records: records,
	}
}

// imageJob makes a job with one stored image, which ended as wanted or runs.
func imageJob(t *testing.T, j *job.Jobs, a *artifact.Store, state api.State) api.Job {
	t.Helper()
	submitted, err := j.Submit(t.Context(), job.Submission{Spec: api.ImageSpec{Model: "shapes", N: 1, Width: 64, Height: 64}})
	if err != nil {
		t.Fatal(err)
	}
	at := api.Attempt{Job: submitted.ID, Number: 1}
	body := artifacttest.Picture(1)
	if _, err := a.PutImage(t.Context(), at, 0, ident.Digest(body), bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	image := api.Image{SHA256: ident.Digest(body)}
	steps := []func(*job.Record) error{
		func(r *job.Record) error { return r.Assign("n", "test", nil) },
		func(r *job.Record) error { return r.Deliver(1, image) },
	}
	if state == api.StateSucceeded {
		steps = append(steps, func(r *job.Record) error {
			return r.Succeed(at, "n", api.Receipt{Attempt: at, NodeID: "n", Model: "shapes", Width: 64, Height: 64, Seeds: []int64{0}, ImageDigests: []string{image.SHA256}})
		})
	}
	for _, step := range steps {
		if _, err := j.Change(t.Context(), submitted.ID, step); err != nil {
			t.Fatal(err)
		}
	}
	found, err := j.Find(t.Context(), submitted.ID)
	if err != nil || found.Job.State != state {
		t.Fatalf("%s, %v", found.Job.State, err)
	}
	return found.Job
}

func TestSweep(t *testing.T) {
	artifacttest.Each(t, func(t *testing.T, where string) {
		s, a := storetest.Open(t), artifacttest.Open(t, where)
		j := jobtest.Open(t, s, a)
		const images, records = 24 * time.Hour, 30 * 24 * time.Hour
		sweep := sweeper(j, a, images, records)
		first, running, last := imageJob(t, j, a, api.StateSucceeded), imageJob(t, j, a, api.StateRunning), imageJob(t, j, a, api.StateSucceeded)
		orphan := ident.Timed(time.Now())
		if _, err := a.PutImage(t.Context(), api.Attempt{Job: orphan, Number: 1}, 0, ident.Digest([]byte("x")), strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		if err := a.PutInput(t.Context(), running.ID, []byte("input")); err != nil {
			t.Fatal(err)
		}
		has := func(id string) (image, record bool) {
			_, err := j.Find(t.Context(), id)
			for name, problem := range a.Jobs() {
				if problem != nil {
					t.Error(problem)
				}
				image = image || name == id
			}
			return image, err == nil
		}
		for _, step := range []struct {
			name string
			at   time.Time
			want retention.Swept
		}{
			{"at once", time.Now(), retention.Swept{}},
			{"just before", first.UpdatedAt.Add(images - time.Millisecond), retention.Swept{}},
			{"the first has expired", first.UpdatedAt.Add(images), retention.Swept{Images: 1}},
			{"all have expired", last.UpdatedAt.Add(images + time.Second), retention.Swept{Images: 2}}, // and the orphan
			{"nothing is left", last.UpdatedAt.Add(images + time.Second), retention.Swept{}},
			{"just before the records' end", first.UpdatedAt.Add(records - time.Millisecond), retention.Swept{}},
			{"the records have expired", last.UpdatedAt.Add(records), retention.Swept{Records: 2}},
			{"years later", last.UpdatedAt.Add(20 * records), retention.Swept{}},
		} {
			got, err := sweep.Sweep(t.Context(), step.at)
			if err != nil || got != step.want {
				t.Errorf("%s: %+v, %v, want %+v", step.name, got, err, step.want)
			}
		}
		for _, id := range []string{first.ID, last.ID, orphan} {
			if image, record := has(id); image || record {
				t.Errorf("%s: image %v, record %v", id, image, record)
			}
		}
		input, err := a.OpenInput(running.ID, ident.Digest([]byte("input")))
		if image, record := has(running.ID); !image || !record || err != nil {
			t.Fatalf("the running job: image %v, record %v, input %v", image, record, err)
		}
		input.Close()
		if left, err := j.List(t.Context(), "", 10, func(job.Record) bool { return true }); err != nil || len(left) != 1 {
			t.Errorf("records: %v %v", left, err)
		}
	})
}

func TestKeptForEver(t *testing.T) {
	s, a := storetest.Open(t), artifacttest.Open(t, "")
	j := jobtest.Open(t, s, a)
	settled := imageJob(t, j, a, api.StateSucceeded)
	sweep := sweeper(j, a, -1, -1)
	if got, err := sweep.Sweep(t.Context(), settled.UpdatedAt.Add(100*365*24*time.Hour)); err != nil || got != (retention.Swept{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAliasesGoWithTheirJobs(t *testing.T) {
	s, a := storetest.Open(t), artifacttest.Open(t, "")
	j := jobtest.Open(t, s, a)
	const records = 30 * 24 * time.Hour
	sweep := sweeper(j, a, records, records)
	submit := func(alias string) string {
		submitted, err := j.Submit(t.Context(), job.Submission{Spec: api.ImageSpec{Model: "shapes", N: 1}, Dialect: "first", Alias: alias})
		if err != nil {
			t.Fatal(err)
		}
		return submitted.ID
	}
	settled, open := submit("settled"), submit("open")
	if _, err := j.Cancel(t.Context(), settled); err != nil {
		t.Fatal(err)
	}
	if _, err := sweep.Sweep(t.Context(), time.Now().Add(2*records)); err != nil {
		t.Fatal(err)
	}
	for alias, want := range map[string]string{"settled": "", "open": open} {
		if got, err := j.Unalias(t.Context(), "first", alias); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", alias, got, err, want)
		}
	}
}
