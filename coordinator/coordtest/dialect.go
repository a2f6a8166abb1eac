package coordtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/httpapi"
	"github.com/easelgrid/easel/coordinator/intake"
	"github.com/easelgrid/easel/internal/ident"
)

// plain is a small dialect, as tests need it. Two of them share paths.
type plain struct {
	s      *intake.Service
	name   string
	prefix string
}

// Plain is a small dialect with that name behind a prefix.
func Plain(name, prefix string) httpapi.Vendor {
	return httpapi.Vendor{Name: name, New: func(s *intake.Service) dialect.Dialect { return &plain{s, name, prefix} }}
}

// Plains mounts two dialects: "first" at the root, "second" behind /second with the same paths.
func Plains(c *coordinator.Config) {
	c.Vendors = []httpapi.Vendor{Plain("first", ""), Plain("second", "/second")}
}

func (p *plain) Name() string             { return p.name }
func (p *plain) Describe() map[string]any { return map[string]any{"openapi": "3.1.0", "info": p.name} }
func (p *plain) Fields() []dialect.Field  { return nil }

func (p *plain) Routes() []dialect.Route {
	return []dialect.Route{
		{Method: "POST", Path: "/v1/make", Prefix: p.prefix, Handle: p.make},
		{Method: "POST", Path: "/v1/begin", Prefix: p.prefix, Handle: p.begin},
		{Method: "GET", Path: "/v1/jobs/{id}", Prefix: p.prefix, Handle: p.show},
		{Method: "DELETE", Path: "/v1/jobs/{id}", Prefix: p.prefix, Handle: p.cancel},
		{Method: "DELETE", Path: "/v1/jobs", Prefix: p.prefix, Handle: p.clear},
		{Method: "GET", Path: "/v1/models", Prefix: p.prefix, Handle: p.models},
		{Method: "GET", Path: "/v1/models/{id...}", Prefix: p.prefix, Handle: p.model},
		{Method: "POST", Path: "/v1/fetch", Prefix: p.prefix, Handle: p.fetch},
		{Method: "POST", Path: "/v1/keep", Prefix: p.prefix, Handle: p.keep},
		{Method: "POST", Path: "/v1/break", Prefix: p.prefix, Handle: func(http.ResponseWriter, *http.Request) { panic("broken") }},
	}
}

func (p *plain) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	e := api.AsError(err, api.CodeInternal)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(e.RetryAfter))
	}
	w.WriteHeader(dialect.Status(e.Code))
	fmt.Fprintf(w, "%s says %s: %s", p.name, e.Code, e.Message)
}

// A plainRequest is a JobRequest and what surrounds it.
type plainRequest struct {
	Model string
	Job   api.JobRequest
	Alias string
	Hook  *dialect.Webhook
}

func (p *plain) submit(r *http.Request) (api.Job, error) {
	who, err := p.s.Caller(r.Context(), dialect.Key(r))
	if err != nil {
		return api.Job{}, err
	}
	var request plainRequest
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &request)
	}
	if err != nil {
		return api.Job{}, api.Errorf(api.CodeInvalidRequest, "body: %v", err)
	}
	return p.s.Submit(r.Context(), who, dialect.Request{
		Dialect: p.name, Model: request.Model, Job: request.Job, Alias: request.Alias, Webhook: request.Hook,
		IdempotencyKey: r.Header.Get("Idempotency-Key"),
	})
}

// begin answers with the job and the links that its pictures will have.
func (p *plain) begin(w http.ResponseWriter, r *http.Request) {
	job, err := p.submit(r)
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	links := []string{}
	for i := range job.Spec.N {
		links = append(links, p.s.URL(r, job, i))
	}
	dialect.WriteJSON(w, 200, Reply{Job: job, Links: links})
}

// A Reply is that of a plain dialect.
type Reply struct {
	Job    api.Job
	Links  []string
	Events string   // the first letter of each event's kind
	Files  []string // base64
}

// make answers when the job is settled.
func (p *plain) make(w http.ResponseWriter, r *http.Request) {
	job, err := p.submit(r)
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	var seen strings.Builder
	job, err = p.s.Wait(r.Context(), job.ID, func(e dialect.Event) error {
		switch {
		case e.Progress != nil:
			seen.WriteString("p")
		case e.Preview != nil:
			seen.WriteString("v")
		case e.Image != nil:
			seen.WriteString("i")
		}
		return nil
	})
	if err == nil && job.Error != nil {
		err = job.Error
	}
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	reply := Reply{Job: job, Events: seen.String()}
	for i := range job.Images {
		file, image, err := p.s.Open(r.Context(), job.ID, i)
		if err != nil {
			p.Fail(w, r, err)
			return
		}
		body, _ := io.ReadAll(file)
		file.Close()
		if ident.Digest(body) != image.SHA256 {
			panic("the file is another")
		}
		reply.Files = append(reply.Files, base64.StdEncoding.EncodeToString(body))
		reply.Links = append(reply.Links, p.s.URL(r, job, i))
	}
	dialect.WriteJSON(w, 200, reply)
}

func (p *plain) show(w http.ResponseWriter, r *http.Request) {
	who, err := p.s.Caller(r.Context(), dialect.Key(r))
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	job, err := p.s.Find(r.Context(), who, p.name, r.PathValue("id"))
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	dialect.WriteJSON(w, 200, Reply{Job: job})
}

func (p *plain) cancel(w http.ResponseWriter, r *http.Request) {
	who, err := p.s.Caller(r.Context(), dialect.Key(r))
	if err == nil {
		err = p.s.Cancel(r.Context(), who, r.PathValue("id"))
	}
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	dialect.WriteJSON(w, 200, map[string]bool{"ok": true})
}

func (p *plain) clear(w http.ResponseWriter, r *http.Request) {
	who, err := p.s.Caller(r.Context(), dialect.Key(r))
	n := 0
	if err == nil {
		n, err = p.s.CancelQueued(r.Context(), who)
	}
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	dialect.WriteJSON(w, 200, n)
}

func (p *plain) fetch(w http.ResponseWriter, r *http.Request) {
	address, _ := io.ReadAll(r.Body)
	picture, err := p.s.Fetch(r.Context(), string(address))
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	w.Write(picture)
}

// keep answers with the address of the picture that is the request's body.
func (p *plain) keep(w http.ResponseWriter, r *http.Request) {
	picture, _ := io.ReadAll(r.Body)
	who, err := p.s.Caller(r.Context(), dialect.Key(r))
	var address string
	if err == nil {
		address, err = p.s.Keep(r.Context(), r, who, picture)
	}
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	io.WriteString(w, address)
}

func (p *plain) models(w http.ResponseWriter, r *http.Request) {
	dialect.WriteJSON(w, 200, p.s.Models(r.Context(), p.name))
}

func (p *plain) model(w http.ResponseWriter, r *http.Request) {
	m, err := p.s.Model(r.Context(), p.name, r.PathValue("id"))
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	dialect.WriteJSON(w, 200, m)
}
