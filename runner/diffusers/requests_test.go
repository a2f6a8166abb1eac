package diffusers_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/diffusers"
)

// TestRequests looks at what the options of a request do, on tiny models with random weights: what must be the same
// is the same to the byte, what must change something does.
func TestRequests(t *testing.T) {
	python(t)
	tiny, models := tinyModels(t)
	p := launch(t, diffusers.Options{Shipped: append(models, shipped()...), ModelDirs: []string{filepath.Join(tiny, "single.safetensors"), filepath.Join(tiny, "checked")}, VAEDirs: []string{filepath.Join(tiny, "vaes")}, Threads: 1})

	for _, model := range []string{"sd1", "sdxl", "sd3", "flux"} {
		t.Run(model+" without LoRAs is the same before and after them", func(t *testing.T) {
			sp := base(t, p, model)
			before := picture(t, p, sp)
			sp.LoRAs = []api.LoRA{{Name: "peft", Weight: 1.5}}
			with := picture(t, p, sp)
			sp.LoRAs[0].Weight = -1.5
			against := picture(t, p, sp)
			sp.LoRAs = nil
			if bytes.Equal(before, with) || bytes.Equal(with, against) {
				t.Error("the LoRA, or the sign of its weight, changes nothing")
			}
			if !bytes.Equal(before, picture(t, p, sp)) {
				t.Error("the LoRA leaves a trace")
			}
		})
	}

	sd1 := base(t, p, "sd1")
	plain := picture(t, p, sd1)
	t.Run("a single file is the directory it was made from", func(t *testing.T) {
		single := base(t, p, "single")
		if !bytes.Equal(plain, picture(t, p, single)) {
			t.Error("the pictures differ")
		}
	})
	t.Run("the safety checker flags and the agent acts", func(t *testing.T) {
		sp := base(t, p, "checked")
		if !sp.SafetyCheck || sp.SafetyAction != api.SafetyBlack {
			t.Fatalf("a model with a checker is not checked unless asked: %+v", sp)
		}
		black, made := pictureIn(t, p, sp, t.TempDir())
		if made.Safety != api.SafetyChecked || len(bytes.Trim(black, "\x00")) > 0 {
			t.Errorf("safety %s, and the picture is not black", made.Safety)
		}
		sp.SafetyCheck, sp.SafetyAction = false, ""
		if unchecked, made := pictureIn(t, p, sp, t.TempDir()); made.Safety != api.SafetyOff || !bytes.Equal(unchecked, plain) {
			t.Errorf("safety %s, and the picture is another", made.Safety)
		}
	})
	t.Run("one LoRA under the names of two trainers", func(t *testing.T) {
		peft, kohya := sd1, sd1
		peft.LoRAs, kohya.LoRAs = []api.LoRA{{Name: "peft", Weight: 0.7}}, []api.LoRA{{Name: "kohya", Weight: 0.7}}
		if !bytes.Equal(picture(t, p, peft), picture(t, p, kohya)) {
			t.Error("the pictures differ")
		}
	})
	t.Run("two LoRAs of opposite weights", func(t *testing.T) {
		both := sd1
		both.LoRAs = []api.LoRA{{Name: "peft", Weight: 0.7}, {Name: "kohya", Weight: -0.7}}
		if n := distance(plain, picture(t, p, both)); n > 1 {
			t.Errorf("together they change the picture, by up to %d levels", n)
		}
	})
	for _, test := range []struct {
		name   string
		change func(*api.ImageSpec)
	}{
		{"clip skip", func(s *api.ImageSpec) { s.ClipSkip = 1 }},
		{"another VAE", func(s *api.ImageSpec) { s.VAE = "spare" }},
		{"token merging", func(s *api.ImageSpec) { s.TokenMerging = 0.5 }},
		{"a weighted word", func(s *api.ImageSpec) { s.Prompt = "a (red:1.8) circle" }},
		{"a negative prompt", func(s *api.ImageSpec) { s.NegativePrompt = "blue" }},
		{"no guidance", func(s *api.ImageSpec) { s.GuidanceScale = 1 }},
		{"a prompt of several chunks", func(s *api.ImageSpec) { s.Prompt = strings.Repeat("a red circle ", 20) }},
		{"karras sigmas", func(s *api.ImageSpec) {
			s.Scheduler, s.SchedulerOptions.SigmaSchedule = "DPMSolverMultistepScheduler", "karras"
		}},
	} {
		t.Run(test.name+" changes the picture and leaves no trace", func(t *testing.T) {
			sp := sd1
			test.change(&sp)
			changed, made := pictureIn(t, p, sp, t.TempDir())
			if bytes.Equal(plain, changed) {
				t.Error("nothing changed")
			}
			if sp.VAE != "" && len(made.VAEDigest) != 64 {
				t.Errorf("VAE digest %q", made.VAEDigest)
			}
			if !bytes.Equal(plain, picture(t, p, sd1)) {
				t.Error("it left a trace")
			}
		})
	}
	t.Run("options of schedulers", func(t *testing.T) {
		eta := 1.0
		for _, o := range []struct {
			scheduler string
			options   api.SchedulerOptions
		}{
			{"DDIMScheduler", api.SchedulerOptions{Eta: &eta}},
			{"DDIMScheduler", api.SchedulerOptions{RescaleZeroSNR: true, Spacing: "trailing"}},
			{"EulerDiscreteScheduler", api.SchedulerOptions{SigmaSchedule: "exponential"}},
			{"EulerDiscreteScheduler", api.SchedulerOptions{SigmaSchedule: "beta"}},
			{"DPMSolverMultistepScheduler", api.SchedulerOptions{Algorithm: "dpmsolver", SolverOrder: 1}},
			{"DPMSolverMultistepScheduler", api.SchedulerOptions{Algorithm: "sde-dpmsolver++"}},
			{"UniPCMultistepScheduler", api.SchedulerOptions{SolverType: "bh1"}},
		} {
			sp := sd1
			sp.Scheduler = o.scheduler
			without := picture(t, p, sp)
			sp.SchedulerOptions = o.options
			if bytes.Equal(without, picture(t, p, sp)) {
				t.Errorf("%s: %+v changes nothing", o.scheduler, o.options)
			}
		}
	})
	t.Run("the shipped model has the digest that the builtin runtime gives it", func(t *testing.T) {
		ours, err := builtin.Describe()
		if err != nil {
			t.Fatal(err)
		}
		a, b := ours.Models[0], base(t, p, builtin.ShippedModel)
		m, _ := p.Runtime().FindModel(b.Model)
		if a.Digest != m.Digest || len(a.LoRAs) == 0 || len(a.LoRAs) != len(m.LoRAs) || a.LoRAs[0] != m.LoRAs[0] || a.ClosedVocabulary != m.ClosedVocabulary || a.TextLayers != m.TextLayers {
			t.Errorf("builtin describes it as %+v, diffusers as %+v", a, m)
		}
	})
}

// distance is the largest difference of two pictures.
func distance(a, b []byte) (most int) {
	for i := range a {
		d := int(a[i]) - int(b[i])
		most = max(most, d, -d)
	}
	return most
}

// TestWire speaks to the worker without a runner.Process between: what a well-behaved agent never does.
func TestWire(t *testing.T) {
	options := child(t, diffusers.Options{Shipped: shipped(), Threads: 1})
	command := exec.CommandContext(t.Context(), options.Command[0], options.Command[1:]...)
	command.Env = append(os.Environ(), "EASEL_LAUNCH=L")
	command.Stderr = t.Output()
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	next := func() (event map[string]any) {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("the worker ended: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil || event["launch"] != "L" {
			t.Fatalf("line %s: %v", lines.Text(), err)
		}
		return event
	}
	send := func(line string) { io.WriteString(in, line+"\n") }
	if next()["hello"] == nil {
		t.Fatal("the first line is no hello")
	}

	spec, _ := json.Marshal(api.ImageSpec{
		Model: builtin.ShippedModel, Prompt: "x", Width: 128, Height: 128, Steps: api.MaxSteps, GuidanceScale: 5,
		Scheduler: "DDIMScheduler", N: 1, LoRAs: []api.LoRA{},
	})
	dir, _ := json.Marshal(t.TempDir())
	generate := `"generate":{"spec":` + string(spec) + `,"dir":` + string(dir) + `}}`
	send(`{"launch":"another","job":"0",` + generate)
	send(`{"launch":"L","job":"1","sing":{}}`)
	send(`{"launch":"L","job":"2",` + generate)
	send(`{"launch":"L","job":"3",` + generate)
	send(`{"launch":"L","job":"3","cancel":{}}`)
	rejected, sampling := false, false
	for !rejected || !sampling {
		switch event := next(); event["job"] {
		case "3":
			e, _ := event["error"].(map[string]any)
			if rejected = e["code"] == "rejected"; !rejected {
				t.Fatalf("a second job was answered %v", event)
			}
		case "2":
			if event["progress"] == nil {
				t.Fatalf("the first job was answered %v", event)
			}
			p := event["progress"].(map[string]any)
			sampling = sampling || p["phase"] == "sampling"
		default:
			t.Fatalf("an answer to nobody: %v", event)
		}
	}
	// The agent is gone: so is the worker, in the middle of a job of 500 steps.
	in.Close()
	steps := 0
	for lines.Scan() {
		steps++
	}
	if err := command.Wait(); err != nil || steps > 50 {
		t.Errorf("after the end of input: %v, and %d more lines", err, steps)
	}
}

func TestPromptsAreThoseOfTheTable(t *testing.T) {
	command := exec.Command(python(t), "-B", filepath.Join("..", "..", "scripts", "golden", "prompts.py"), "--check")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
