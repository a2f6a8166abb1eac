package modelslab

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

func base64Of(width, height int) string {
	return base64.StdEncoding.EncodeToString(pictureOf(width, height))
}

func decoded[T any](t testing.TB, body []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

func TestSuccess(t *testing.T) {
	s := newDesk()
	w := ask(t, serving(s), "POST", "/api/v1/enterprise/text2img",
		`{"key":"secret","model_id":"realistic-vision-51","prompt":"a naked circle","negative_prompt":"blur","width":"256","height":"192","samples":2,"seed":7,
		"scheduler":"DPMSolverMultistepScheduler","algorithm_type":"dpmsolver+++","use_karras_sigmas":"yes","tomesd":true,"clip_skip":"3",
		"lora_model":"outline, lcm","lora_strength":"0.5,1","vae":"crisp","num_inference_steps":"21"}`)
	got := decoded[map[string]any](t, w.Body.Bytes())
	links := []any{"https://grid.example/images/job1/0?sig=x", "https://grid.example/images/job1/1?sig=x"}
	id, _ := got["id"].(float64)
	want := map[string]any{
		"status": "success", "generationTime": 2.92, "id": id, "output": links, "proxy_links": links,
		"nsfw_content_detected": true, "webhook_status": "",
		"meta": map[string]any{
			"prompt": "a naked circle", "model_id": "realistic-vision-51", "negative_prompt": "blur", "scheduler": "DPMSolverMultistepScheduler",
			"safetychecker": "yes", "safety_checker_type": "sensitive_content_text", "W": 256.0, "H": 192.0, "guidance_scale": 5.0, "seed": 7.0,
			"steps": 21.0, "n_samples": 2.0, "full_url": "no", "upscale": "no", "panorama": "no", "self_attention": "no", "enhance_prompt": "no",
			"tomesd": "yes", "use_karras_sigmas": "yes", "algorithm_type": "dpmsolver++", "clip_skip": 3.0, "embeddings": nil,
			"lora": "outline,lcm", "lora_strength": "0.5,1", "vae": "crisp", "outdir": "out", "file_prefix": "job1",
			"id": strconv.FormatFloat(id, 'f', 0, 64), "output": links,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if id < 1 || id > 1<<53 || s.requests[0].Alias != strconv.FormatFloat(id, 'f', 0, 64) {
		t.Errorf("id %v, alias %s", got["id"], s.requests[0].Alias)
	}
}

// A client that has to wait finds its images by each way to fetch.
func TestProcessingThenFetch(t *testing.T) {
	for _, under := range imagePaths {
		t.Run(under, func(t *testing.T) {
			s := newDesk()
			s.slow = true
			h := serving(s)
			w := ask(t, h, "POST", under+"/text2img", `{"key":"secret","prompt":"a","samples":"2"}`)
			p := decoded[processing](t, w.Body.Bytes())
			id := strconv.FormatInt(p.ID, 10)
			want := processing{
				Status: "processing", ETA: 2.75, Messege: fetchLater, Message: fetchLater, ID: p.ID, Output: []string{}, Meta: p.Meta,
				FetchResult: "https://grid.example" + under + "/fetch/" + id,
				FutureLinks: []string{"https://grid.example/images/job1/0?sig=x", "https://grid.example/images/job1/1?sig=x"},
			}
			if diff := cmp.Diff(want, p); diff != "" {
				t.Error(diff)
			}
			if p.Meta.ID != id || p.Meta.Seed != 4711 || !cmp.Equal(p.Meta.Output, p.FutureLinks) {
				t.Errorf("%+v", p.Meta)
			}
			address, err := url.Parse(p.FetchResult)
			if err != nil {
				t.Fatal(err)
			}
			ways := map[string]func() []byte{
				"in the path": func() []byte { return ask(t, h, "POST", address.Path, `{"key":"secret"}`).Body.Bytes() },
				"with a bearer": func() []byte {
					return ask(t, h, "POST", address.Path, "", "Authorization", "Bearer secret").Body.Bytes()
				},
				"as a number": func() []byte {
					return ask(t, h, "POST", under+"/fetch", `{"key":"secret","request_id":`+id+`}`).Body.Bytes()
				},
				"as a string": func() []byte {
					return ask(t, h, "POST", under+"/fetch", `{"key":"secret","request_id":"`+id+`"}`).Body.Bytes()
				},
				"GET with body": func() []byte {
					return ask(t, h, "GET", under+"/fetch", `{"key":"secret","request_id":"`+id+`"}`).Body.Bytes()
				},
				"GET of the URL": func() []byte {
					return ask(t, h, "GET", address.Path, "", "Authorization", "Bearer secret").Body.Bytes()
				},
			}
			for name, way := range ways {
				early := decoded[notYet](t, way())
				if early.Status != "processing" || early.Messege != tryAgain || early.Message != tryAgain || early.ID != p.ID || !cmp.Equal(early.FutureLinks, p.FutureLinks) {
					t.Errorf("%s, too early: %+v", name, early)
				}
			}
			s.jobs[id] = s.settle(s.jobs[id])
			for name, way := range ways {
				done := decoded[success](t, way())
				if done.Status != "success" || done.ID != p.ID || !cmp.Equal(done.Output, p.FutureLinks) {
					t.Errorf("%s, done: %+v", name, done)
				}
			}
		})
	}
}

func TestInstantResponse(t *testing.T) {
	w := ask(t, serving(newDesk()), "POST", "/api/v6/realtime/text2img", `{"key":"secret","prompt":"a","instant_response":true}`)
	if p := decoded[processing](t, w.Body.Bytes()); p.Status != "processing" || len(p.FutureLinks) != 1 {
		t.Errorf("%s", w.Body)
	}
}

// Base64 comes in the reply and again when it is fetched, as the id knows it.
func TestBase64(t *testing.T) {
	s := newDesk()
	h := serving(s)
	w := ask(t, h, "POST", "/api/v6/images/img2img", `{"key":"secret","prompt":"a","base64":"yes","samples":2,"init_image":"`+base64Of(64, 72)+`"}`)
	first := decoded[success](t, w.Body.Bytes())
	again := decoded[success](t, ask(t, h, "POST", "/api/v6/images/fetch/"+strconv.FormatInt(first.ID, 10), `{"key":"secret"}`).Body.Bytes())
	want := []string{base64.StdEncoding.EncodeToString(somePicture), base64.StdEncoding.EncodeToString(somePicture)}
	if !cmp.Equal(first.Output, want) || !cmp.Equal(again.Output, want) || len(first.ProxyLinks) != 2 {
		t.Errorf("%.300s", w.Body)
	}
	if first.Meta.W != 64 || first.Meta.H != 72 || first.Meta.Strength == nil || *first.Meta.Strength != 0.7 {
		t.Errorf("%+v", first.Meta)
	}
}

func TestFailedAndCanceledJobs(t *testing.T) {
	for state, says := range map[api.State]string{api.StateFailed: "the device is too small", api.StateCanceled: "Request was canceled"} {
		s := newDesk()
		s.outcome = state
		h := serving(s)
		w := ask(t, h, "POST", "/api/v1/enterprise/text2img", `{"key":"secret","prompt":"a"}`)
		f := decoded[failed](t, w.Body.Bytes())
		if w.Code != 200 || f.Status != "failed" || f.Message != says || f.Messege != says {
			t.Errorf("%s: %d %s", state, w.Code, w.Body)
		}
		if again := ask(t, h, "POST", "/api/v1/enterprise/fetch/"+strconv.FormatInt(f.ID, 10), `{"key":"secret"}`); again.Body.String() != w.Body.String() {
			t.Errorf("%s, fetched: %s", state, again.Body)
		}
	}
}

func TestWebhooks(t *testing.T) {
	s := newDesk()
	w := ask(t, serving(s), "POST", "/api/v1/enterprise/text2img", `{"key":"secret","prompt":"a","webhook":"https://hooks.example/a","track_id":12,"base64":"yes"}`)
	id := decoded[success](t, w.Body.Bytes()).ID
	hook := *s.requests[0].Webhook
	if hook.URL != "https://hooks.example/a" || hook.TrackID != "12" {
		t.Fatalf("%+v", hook)
	}
	hook.ID = s.requests[0].Alias // as the coordinator does
	notifier, ok := New(s).(dialect.Notifier)
	if !ok {
		t.Fatal("it sends no webhooks")
	}
	job := s.jobs[hook.ID]
	sent := notify(t, notifier, job, hook)
	if sent["status"] != "success" || sent["id"] != float64(id) || sent["track_id"] != "12" || sent["generationTime"] != 2.92 ||
		!cmp.Equal(sent["output"], []any{"https://grid.example/0"}) || sent["meta"].(map[string]any)["prompt"] != "a" {
		t.Errorf("%v", sent)
	}
	hook.TrackID = ""
	job.State, job.Error = api.StateFailed, api.Errorf(api.CodeOutOfMemory, "the device is too small")
	want := map[string]any{"status": "failed", "id": float64(id), "message": "the device is too small", "messege": "the device is too small", "output": []any{}, "track_id": nil}
	if diff := cmp.Diff(want, notify(t, notifier, job, hook)); diff != "" {
		t.Error(diff)
	}
	hook.ID = "job1"
	if _, err := notifier.Notification(job, hook, nil); err == nil {
		t.Error("a job without a number is reported")
	}
}

func notify(t *testing.T, n dialect.Notifier, job api.Job, hook dialect.Webhook) map[string]any {
	t.Helper()
	body, err := n.Notification(job, hook, func(index int) string { return "https://grid.example/" + strconv.Itoa(index) })
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return decoded[map[string]any](t, encoded)
}

func TestServerVerbs(t *testing.T) {
	for verb, c := range map[string]struct{ body, want string }{
		"system_details":   {`{"key":"secret"}`, `{"model_count":1,"queue_time":2.75,"status":"ok"}`},
		"get_all_models":   {`{"key":"secret"}`, `{"models":[{"load_data":"01/25/2023 11:52:22","model_id":"realistic-vision-51"}],"status":"success"}`},
		"schedulers_list":  {`{"key":"secret"}`, `{"schedulers":["` + strings.Join(api.SchedulerNames, `","`) + `"]}`},
		"verify_model":     {`{"key":"secret","model_id":"realistic-vision-51"}`, `{"status":"success","message":"Model exists on server"}`},
		"clear_queue":      {`{"key":"secret"}`, `{"status":"success","message":"Queue cleared: 3 requests canceled"}`},
		"upload_image":     {`{"key":"secret","base64_image":"data:image/png;base64,` + base64Of(64, 64) + `","image_type":"png"}`, `{"status":"success","message":"image uploaded","image_url":"https://grid.example/kept/1"}`},
		"nsfw_image_check": {`{"key":"secret","init_image":"https://pictures.example/a.png"}`, `{"images":"https://grid.example/images/job1/0?sig=x","has_nsfw_concept":[false]}`},
	} {
		for _, under := range serverPaths {
			t.Run(under+"/"+verb, func(t *testing.T) {
				w := ask(t, serving(newDesk()), "POST", under+"/"+verb, c.body)
				if w.Code != 200 || w.Body.String() != c.want {
					t.Errorf("%d %s\nwant %s", w.Code, w.Body, c.want)
				}
			})
		}
	}
}

// Nothing is called checked that was not.
func TestChecksNeedAChecker(t *testing.T) {
	s := newDesk()
	s.models[0].SafetyChecker, s.models[0].ClosedVocabulary = false, true
	w := ask(t, serving(s), "POST", "/api/v1/enterprise/nsfw_image_check", `{"key":"secret","init_image":"https://pictures.example/a.png"}`)
	if problem := checkError(t, w); w.Code != 400 || !strings.Contains(problem.Message, "no model has a safety checker") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestSafety(t *testing.T) {
	checker, closed, none := someModel, someModel, someModel
	closed.SafetyChecker, closed.ClosedVocabulary = false, true
	none.SafetyChecker = false
	for name, c := range map[string]struct {
		model  dialect.Model
		fields string
		check  bool
		action api.SafetyAction
	}{
		"checked by itself":      {checker, ``, true, api.SafetyText},
		"closed vocabulary":      {closed, ``, true, api.SafetyText},
		"cannot be checked":      {none, ``, false, ""},
		"a type without a check": {none, `,"safety_checker_type":"blur"`, false, ""},
		"yes and a type":         {checker, `,"safety_checker":"yes","safety_checker_type":"black"`, true, api.SafetyBlack},
		"pixelate":               {checker, `,"safety_checker":true,"safety_checker_type":"pixelate"`, true, api.SafetyPixelate},
		"no and a type":          {checker, `,"safety_checker":"no","safety_checker_type":"blur"`, false, ""},
		"yes without a checker":  {none, `,"safety_checker":"yes"`, true, api.SafetyText}, // for the coordinator to refuse
	} {
		t.Run(name, func(t *testing.T) {
			s := newDesk()
			s.models[0] = c.model
			w := ask(t, serving(s), "POST", "/api/v6/images/text2img", `{"key":"secret","prompt":"a"`+c.fields+`}`)
			if w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			job := s.requests[0].Job
			if job.SafetyCheck == nil || *job.SafetyCheck != c.check || job.SafetyAction != c.action {
				t.Errorf("check %v, action %q", job.SafetyCheck, job.SafetyAction)
			}
		})
	}
}

// Karras sigmas are a wish: every scheduler is taken with it.
func TestSchedulers(t *testing.T) {
	karras := []string{
		"LMSDiscreteScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler",
		"DPMSolverSinglestepScheduler", "KDPM2AncestralDiscreteScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler", "IPNDMScheduler",
	}
	for _, name := range api.SchedulerNames {
		s := newDesk()
		w := ask(t, serving(s), "POST", "/api/v6/images/img2img", `{"key":"secret","prompt":"a","init_image":"https://pictures.example/a.png","use_karras_sigmas":"yes","algorithm_type":"none","scheduler":"`+name+`"}`)
		if w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
			continue
		}
		has := s.requests[0].Job.SchedulerOptions.SigmaSchedule == "karras"
		want := false
		for _, k := range karras {
			want = want || k == name
		}
		if has != want || decoded[success](t, w.Body.Bytes()).Meta.Karras != yesNo(want) {
			t.Errorf("%s: karras %v, want %v", name, has, want)
		}
	}
}

func TestNumbersAreTriedAgain(t *testing.T) {
	for taken, status := range map[int]int{0: 200, 2: 200, 3: 409} {
		s := newDesk()
		s.conflict = taken
		if w := ask(t, serving(s), "POST", "/api/v6/images/text2img", `{"key":"secret","prompt":"a"}`); w.Code != status {
			t.Errorf("%d taken: %d %s", taken, w.Code, w.Body)
		}
	}
}

func TestIDs(t *testing.T) {
	now := firstID.Add(time.Second)
	i := &ids{now: func() time.Time { return now }}
	got := []int64{i.next(false), i.next(true), i.next(false)}
	now = now.Add(-time.Hour) // a clock that is set back
	got = append(got, i.next(false))
	now = now.Add(2 * time.Hour)
	got = append(got, i.next(true))
	want := []int64{2000000, 2000003, 2000004, 2000006, 2*3601e6 + 1}
	if !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	far := &ids{now: func() time.Time { return time.Date(2166, 1, 1, 0, 0, 0, 0, time.UTC) }}
	if id := far.next(true); id >= 1<<53 {
		t.Errorf("%d is too large for some parsers", id)
	}
}

// Older clients send forms, and curl calls everything a form.
func TestBodiesByContentType(t *testing.T) {
	const formType = "application/x-www-form-urlencoded"
	for name, c := range map[string]struct{ body, kind, auth string }{
		"JSON":            {`{"key":"secret","prompt":"a b"}`, "application/json", ""},
		"JSON by curl":    {`{"key":"secret","prompt":"a b"}`, formType, ""},
		"a form":          {"key=secret&prompt=a+b&samples=1&seed=", formType, ""},
		"key in a header": {`{"prompt":"a b"}`, "application/json", "Bearer secret"},
		"key in both":     {`{"key":"secret","prompt":"a b"}`, "application/json", "Bearer other"},
		"an empty key":    {`{"key":"","prompt":"a b"}`, "", "Bearer secret"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDesk()
			w := ask(t, serving(s), "POST", "/api/v3/text2img", c.body, "Content-Type", c.kind, "Authorization", c.auth)
			if w.Code != 200 || s.requests[0].Job.Prompt != "a b" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
