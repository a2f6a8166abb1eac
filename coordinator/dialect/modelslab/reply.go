package modelslab

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// The vendor's texts about a job that is not done.
const (
	fetchLater = "Try to fetch request after seconds estimated"
	tryAgain   = "try again later."
)

// success is the reply with images.
type success struct {
	Status         string   `json:"status"`
	Tip            string   `json:"tip,omitempty"`
	GenerationTime float64  `json:"generationTime"` // seconds
	ID             int64    `json:"id"`
	Output         []string `json:"output"` // addresses, or base64
	ProxyLinks     []string `json:"proxy_links"`
	NSFW           bool     `json:"nsfw_content_detected"`
	WebhookStatus  string   `json:"webhook_status"`
	Meta           meta     `json:"meta"`
}

// processing is the reply to a request whose images are not made yet.
type processing struct {
	Status        string   `json:"status"`
	Tip           string   `json:"tip"`
	ETA           float64  `json:"eta"` // seconds
	Messege       string   `json:"messege"`
	Message       string   `json:"message"`
	WebhookStatus string   `json:"webhook_status"`
	FetchResult   string   `json:"fetch_result"`
	ID            int64    `json:"id"`
	Output        []string `json:"output"` // empty
	Meta          meta     `json:"meta"`
	FutureLinks   []string `json:"future_links"` // addresses that will have the images
}

// notYet is the reply to a fetch that came too early. Its output is an empty text, as the vendor's is.
type notYet struct {
	Status      string   `json:"status"`
	Messege     string   `json:"messege"`
	Message     string   `json:"message"`
	Output      string   `json:"output"`
	Tip         string   `json:"tip"`
	ID          int64    `json:"id"`
	ETA         float64  `json:"eta"`
	FutureLinks []string `json:"future_links"`
}

// failed is the reply about a job that failed.
type failed struct {
	Status  string   `json:"status"`
	ID      int64    `json:"id"`
	Message string   `json:"message"`
	Messege string   `json:"messege"`
	Output  []string `json:"output"` // empty
}

// meta is what the images were made with, in the vendor's words.
type meta struct {
	Prompt         string   `json:"prompt"`
	ModelID        string   `json:"model_id"`
	NegativePrompt string   `json:"negative_prompt"`
	Scheduler      string   `json:"scheduler"`
	SafetyChecker  string   `json:"safetychecker"`
	SafetyType     *string  `json:"safety_checker_type"`
	W              int      `json:"W"`
	H              int      `json:"H"`
	GuidanceScale  float64  `json:"guidance_scale"`
	Seed           int64    `json:"seed"`
	Steps          int      `json:"steps"`
	Samples        int      `json:"n_samples"`
	Strength       *float64 `json:"strength,omitempty"`
	FullURL        string   `json:"full_url"`
	Upscale        string   `json:"upscale"`
	Panorama       string   `json:"panorama"`
	SelfAttention  string   `json:"self_attention"`
	EnhancePrompt  string   `json:"enhance_prompt"`
	Tomesd         string   `json:"tomesd"`
	Karras         string   `json:"use_karras_sigmas"`
	Algorithm      *string  `json:"algorithm_type"`
	ClipSkip       int      `json:"clip_skip"`
	Embeddings     *string  `json:"embeddings"`
	LoRA           *string  `json:"lora"`
	LoRAStrength   *string  `json:"lora_strength"`
	VAE            *string  `json:"vae"`
	OutDir         string   `json:"outdir"`
	FilePrefix     string   `json:"file_prefix"`
	ID             string   `json:"id"`
	Output         []string `json:"output"` // addresses
}

// metaOf describes a job. The model is called as the client called it.
func metaOf(job api.Job, id int64, links []string) meta {
	s := job.Spec
	width, height := s.FinishedSize()
	names, strengths := make([]string, len(s.LoRAs)), make([]string, len(s.LoRAs))
	for i, l := range s.LoRAs {
		names[i], strengths[i] = l.Name, strconv.FormatFloat(l.Weight, 'g', -1, 64)
	}
	m := meta{
		Prompt: s.Prompt, ModelID: cmp.Or(job.AskedModel, s.Model), NegativePrompt: s.NegativePrompt, Scheduler: s.Scheduler,
		SafetyChecker: yesNo(s.SafetyCheck), W: width, H: height, GuidanceScale: s.GuidanceScale, Seed: s.Seed,
		Steps: s.Steps, Samples: s.N, FullURL: "no", Upscale: "no", Panorama: "no", SelfAttention: "no",
		EnhancePrompt: "no", Tomesd: yesNo(s.TokenMerging > 0), Karras: yesNo(s.SchedulerOptions.SigmaSchedule == "karras"),
		Algorithm: orNull(s.SchedulerOptions.Algorithm), ClipSkip: s.ClipSkip + 1,
		LoRA: orNull(strings.Join(names, ",")), LoRAStrength: orNull(strings.Join(strengths, ",")), VAE: orNull(s.VAE),
		OutDir: "out", FilePrefix: job.ID, ID: strconv.FormatInt(id, 10), Output: links,
	}
	if s.SafetyCheck {
		m.SafetyType = orNull(safetyName(s.SafetyAction))
	}
	if s.InitImage != nil {
		m.Strength = &s.Strength
	}
	return m
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func safetyName(action api.SafetyAction) string {
	for name, a := range safetyActions {
		if a == action {
			return name
		}
	}
	return ""
}

// links are the addresses of a job's images, made or not.
func links(job api.Job, address func(index int) string) []string {
	all := make([]string, job.Spec.N)
	for i := range all {
		all[i] = address(i)
	}
	return all
}

func (d *modelsLab) links(c *call, job api.Job) []string {
	return links(job, func(index int) string { return d.service.URL(c.R, job, index) })
}

// fetchAddress is where a client asks again: at the same host that its images are.
func (d *modelsLab) fetchAddress(c *call, job api.Job, id int64) string {
	address := url.URL{Path: c.under + "/fetch/" + strconv.FormatInt(id, 10)}
	if image, err := url.Parse(d.service.URL(c.R, job, 0)); err == nil {
		address.Scheme, address.Host = image.Scheme, image.Host
	}
	return address.String()
}

// eta estimates the seconds until a job submitted now is done.
func (d *modelsLab) eta(ctx context.Context) float64 {
	_, left := d.service.Waiting(ctx)
	return left.Round(10 * time.Millisecond).Seconds()
}

// reply answers a generation by what became of it.
func (d *modelsLab) reply(c *call, g generation, job api.Job, id int64) error {
	tip := strings.Join(g.tips, "; ")
	if job.State.Terminal() {
		return d.finished(c, job, id, tip)
	}
	images := d.links(c, job)
	return c.Reply(processing{
		Status: "processing", Tip: tip, ETA: max(1, d.eta(c.Context())), Messege: fetchLater, Message: fetchLater,
		FetchResult: d.fetchAddress(c, job, id), ID: id, Output: []string{}, FutureLinks: images,
		Meta: metaOf(job, id, images),
	})
}

// finished answers with a settled job.
func (d *modelsLab) finished(c *call, job api.Job, id int64, tip string) error {
	if job.State != api.StateSucceeded {
		text := reason(job)
		return c.Reply(failed{Status: "failed", ID: id, Message: text, Messege: text, Output: []string{}})
	}
	s := succeeded(job, id, d.links(c, job))
	s.Tip = tip
	if !wantsBase64(id) {
		return c.Reply(s)
	}
	return c.ReplyWith(func(reply *dialect.Reply) (value any, err error) {
		s.Output, err = reply.Images(c.Context(), d.service, job)
		return s, err
	})
}

func succeeded(job api.Job, id int64, images []string) success {
	s := success{
		Status: "success", GenerationTime: generationTime(job), ID: id, Output: images, ProxyLinks: images,
		Meta: metaOf(job, id, images),
	}
	for _, image := range job.Images {
		s.NSFW = s.NSFW || image.Flagged
	}
	return s
}

// generationTime is how long the node worked, in seconds.
func generationTime(job api.Job) float64 {
	if job.Receipt != nil && job.Receipt.Timings.Total > 0 {
		return job.Receipt.Timings.Total
	}
	return max(0, job.UpdatedAt.Sub(job.CreatedAt).Seconds())
}

// reason is why a job has no images.
func reason(job api.Job) string {
	switch {
	case job.State == api.StateCanceled:
		return "Request was canceled"
	case job.Error != nil:
		return message(job.Error)
	}
	return "Request failed"
}
