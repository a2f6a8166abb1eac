package coordinator

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/deepfellow"
	"github.com/easelgrid/easel/coordinator/dialect/distribute"
	"github.com/easelgrid/easel/coordinator/dialect/modelslab"
	"github.com/easelgrid/easel/coordinator/dialect/nebulablock"
	"github.com/easelgrid/easel/coordinator/dialect/openai"
	"github.com/easelgrid/easel/coordinator/dialect/yescale"
)

// allDialects are the dialects that are spoken. Where two share a path's beginning, the first one answers
// that there is nothing at a path.
func allDialects(s service) []dialect.Dialect {
	return []dialect.Dialect{
		openai.New(s),
		distribute.New(s),
		modelslab.New(s),
		deepfellow.New(s),
		nebulablock.New(s),
		yescale.New(s),
	}
}

// dialects are those of a test's configuration, or all.
func (c *coordinator) dialects() []dialect.Dialect {
	if c.config.vendors == nil {
		return allDialects(service{c})
	}
	var list []dialect.Dialect
	for _, make := range c.config.vendors {
		list = append(list, make(service{c}))
	}
	return list
}

// vendors are the dialects as they are mounted.
type vendors struct {
	all  []vendor
	open *http.ServeMux // every route behind its prefix
	keys *keys
	base func(*http.Request) string
	log  *slog.Logger
}

// A vendor is one dialect with its routes at the paths that the vendor documents, and behind their
// prefixes too.
type vendor struct {
	dialect.Dialect
	own *http.ServeMux
}

func (c *coordinator) mountVendors() *vendors {
	v := &vendors{open: http.NewServeMux(), keys: c.keys, base: c.base, log: c.log}
	for _, d := range c.dialects() {
		own := http.NewServeMux()
		for _, route := range d.Routes() {
			handle := v.serving(d, route.Handle)
			v.open.Handle(route.Method+" "+route.Prefix+route.Path, handle)
			own.Handle(route.Method+" "+route.Path, handle)
			if route.Prefix != "" {
				own.Handle(route.Method+" "+route.Prefix+route.Path, handle)
			}
		}
		v.all = append(v.all, vendor{d, own})
	}
	return v
}

func (v *vendors) names() []string {
	names := make([]string, len(v.all))
	for i, d := range v.all {
		names[i] = d.Name()
	}
	return names
}

func (v *vendors) find(name string) *vendor {
	for i := range v.all {
		if v.all[i].Name() == name {
			return &v.all[i]
		}
	}
	return nil
}

// serve answers a request that is for one of the dialects and reports whether it was.
func (v *vendors) serve(w http.ResponseWriter, r *http.Request) bool {
	bound := v.bound(r)
	if bound != nil && has(bound.own, r) {
		bound.own.ServeHTTP(w, r)
		return true
	}
	if has(v.open, r) {
		v.open.ServeHTTP(w, r)
		return true
	}
	whose := bound
	if near, prefixed := v.nearest(r.URL.Path); whose == nil || prefixed {
		whose = near
	}
	if whose == nil {
		return false
	}
	allowed := allow(v.open, r)
	if bound != nil && allowed == "" {
		allowed = allow(bound.own, r)
	}
	v.serving(whose.Dialect, func(w http.ResponseWriter, r *http.Request) {
		if allowed == "" {
			whose.Fail(w, r, api.Errorf(api.CodeNotFound, "there is nothing at %s", api.Quote(r.URL.Path)))
			return
		}
		w.Header().Set("Allow", allowed)
		whose.Fail(fixedStatus{w, http.StatusMethodNotAllowed}, r,
			api.Errorf(api.CodeNotFound, "method: got %s, want one of %s", r.Method, allowed))
	}).ServeHTTP(w, r)
	return true
}

// bound is the dialect that the request's key is bound to. The header does no more here: whether the
// key may do anything is for the dialect to ask.
func (v *vendors) bound(r *http.Request) *vendor {
	key := bearer(r)
	if key == "" {
		key = r.Header.Get("Authorization") // as some clients send it
	}
	if key == "" {
		return nil
	}
	return v.find(v.keys.binding(key))
}

// nearest is the dialect with a route that shares most leading segments with the path, nil when none
// shares any. Prefixed reports whether the path is below a prefix that only this dialect has.
func (v *vendors) nearest(path string) (near *vendor, prefixed bool) {
	most := 0
	for i, d := range v.all {
		for _, route := range d.Routes() {
			if n := sharedSegments(route.Prefix+route.Path, path); n > most {
				most, near = n, &v.all[i]
				prefixed = route.Prefix != "" && strings.HasPrefix(path, route.Prefix+"/")
			}
		}
	}
	return near, prefixed
}

func sharedSegments(pattern, path string) int {
	a, b := strings.Split(pattern, "/")[1:], strings.Split(path, "/")[1:]
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func has(mux *http.ServeMux, r *http.Request) bool {
	_, pattern := mux.Handler(r)
	return pattern != ""
}

// allow lists the methods that there are at the path.
func allow(mux *http.ServeMux, r *http.Request) string {
	refusal := refusedRoute{header: http.Header{}}
	mux.ServeHTTP(&refusal, r)
	return refusal.header.Get("Allow")
}

// serving is what is the same around the handlers of every dialect: the request's id, its limits, and
// an answer in the vendor's form when the handler breaks.
func (v *vendors) serving(d dialect.Dialect, handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		id := "req_" + randomHex(16)
		out := &reply{ResponseWriter: w, control: control}
		out.asked.ended = r.ContentLength == 0
		out.Header().Set("X-Request-Id", id)
		_ = control.SetWriteDeadline(time.Time{}) // each write has its own, and so has each read
		_ = control.SetReadDeadline(time.Time{})
		out.asked.ReadCloser, out.asked.control, out.asked.last = http.MaxBytesReader(w, r.Body, maxJobRequest), control, time.Now().Add(transferTime)
		r.Body = &out.asked
		defer func() {
			problem := recover()
			if problem == nil {
				return
			}
			if problem != http.ErrAbortHandler {
				v.log.Error("dialect broke", "dialect", d.Name(), "request", id, "problem", fmt.Sprint(problem), "stack", string(debug.Stack()))
			}
			if problem == http.ErrAbortHandler || out.began {
				panic(http.ErrAbortHandler)
			}
			d.Fail(out, r, api.Errorf(api.CodeInternal, "a defect of the coordinator, request %s", id))
		}()
		handle(out, r.WithContext(withBase(r.Context(), v.base(r))))
		out.begin()
	})
}

// A reply gives every write its own time: a handler may wait for a job as long as it likes.
type reply struct {
	http.ResponseWriter
	control *http.ResponseController
	asked   body // of the request
	began   bool
}

// begin is before the first of a reply. The server reads then what the handler left of the request, as
// of one whose key is wrong, and has to have a time for it: its client may never send it.
func (w *reply) begin() {
	if !w.began && !w.asked.ended {
		_ = w.control.SetReadDeadline(time.Now().Add(requestTime / 2)) // the reply itself comes after that
	}
	w.began = true
}

func (w *reply) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

func (w *reply) Write(b []byte) (int, error) {
	w.begin()
	_ = w.control.SetWriteDeadline(time.Now().Add(requestTime))
	return w.ResponseWriter.Write(b)
}

func (w *reply) Flush() { _ = w.FlushError() }

// FlushError is what an http.ResponseController calls.
func (w *reply) FlushError() error {
	w.begin()
	_ = w.control.SetWriteDeadline(time.Now().Add(requestTime))
	return w.control.Flush()
}

func (w *reply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// fixedStatus answers with a status of its own whatever the handler says.
type fixedStatus struct {
	http.ResponseWriter
	status int
}

func (w fixedStatus) WriteHeader(int) { w.ResponseWriter.WriteHeader(w.status) }

// A body is read under a deadline, and between the reads there is none: a read that runs into its
// deadline, such as the server's own for the end of the connection, would end the request.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	last    time.Time
	ended   bool
}

func (b *body) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(earlier(time.Now().Add(requestTime), b.last))
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || errors.Is(err, io.EOF)
	_ = b.control.SetReadDeadline(time.Time{})
	return n, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
