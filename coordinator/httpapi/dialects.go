package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/deepfellow"
	"github.com/easelgrid/easel/coordinator/dialect/distribute"
	"github.com/easelgrid/easel/coordinator/dialect/modelslab"
	"github.com/easelgrid/easel/coordinator/dialect/nebulablock"
	"github.com/easelgrid/easel/coordinator/dialect/openai"
	"github.com/easelgrid/easel/coordinator/dialect/yescale"
	"github.com/easelgrid/easel/coordinator/intake"
	"github.com/easelgrid/easel/internal/ident"
)

// A Vendor is a dialect that can be mounted. Its name is known before there is anything to serve: catalogs
// and keys name dialects.
type Vendor struct {
	Name string
	New  func(*intake.Service) dialect.Dialect
}

// Vendors are the dialects that are spoken. Where two share a path's beginning, the first one answers that
// there is nothing at a path.
var Vendors = []Vendor{
	{"openai", func(s *intake.Service) dialect.Dialect { return openai.New(s) }},
	{"distribute", func(s *intake.Service) dialect.Dialect { return distribute.New(s) }},
	{"modelslab", func(s *intake.Service) dialect.Dialect { return modelslab.New(s) }},
	{"deepfellow", func(s *intake.Service) dialect.Dialect { return deepfellow.New(s) }},
	{"nebulablock", func(s *intake.Service) dialect.Dialect { return nebulablock.New(s) }},
	{"yescale", func(s *intake.Service) dialect.Dialect { return yescale.New(s) }},
}

// Names are those of the vendors.
func Names(vendors []Vendor) []string {
	names := make([]string, len(vendors))
	for i, v := range vendors {
		names[i] = v.Name
	}
	return names
}

// Dialects are the dialects as they are mounted.
type Dialects struct {
	all    []mounted
	names  []string
	open   *http.ServeMux // every route behind its prefix
	keys   *account.Keys
	intake *intake.Service
	log    *slog.Logger
}

// A mounted dialect has its routes at the paths that the vendor documents, and behind their prefixes too.
type mounted struct {
	dialect.Dialect
	own *http.ServeMux
}

// Mount makes the dialects of the vendors.
func Mount(vendors []Vendor, keys *account.Keys, in *intake.Service, log *slog.Logger) *Dialects {
	d := &Dialects{names: Names(vendors), open: http.NewServeMux(), keys: keys, intake: in, log: log}
	for _, vendor := range vendors {
		one := vendor.New(in)
		own := http.NewServeMux()
		for _, route := range one.Routes() {
			handle := d.serving(one, route.Handle)
			d.open.Handle(route.Method+" "+route.Prefix+route.Path, handle)
			own.Handle(route.Method+" "+route.Path, handle)
			if route.Prefix != "" {
				own.Handle(route.Method+" "+route.Prefix+route.Path, handle)
			}
		}
		d.all = append(d.all, mounted{one, own})
	}
	return d
}

// Names are those of the mounted dialects.
func (d *Dialects) Names() []string { return d.names }

func (d *Dialects) find(name string) *mounted {
	for i := range d.all {
		if d.all[i].Name() == name {
			return &d.all[i]
		}
	}
	return nil
}

// serve answers a request that is for one of the dialects and reports whether it was. The key in its header
// is looked up here, once; whether it may do anything is for the dialect to ask.
func (d *Dialects) serve(w http.ResponseWriter, r *http.Request) bool {
	key := dialect.Key(r)
	found, err := d.keys.Find(key)
	if err != nil {
		key = ""
	}
	r = r.WithContext(intake.WithOrigin(r.Context(), d.intake.Base(r), key, found))
	var bound *mounted
	if key != "" {
		bound = d.find(found.Dialect())
	}
	if bound != nil && has(bound.own, r) {
		bound.own.ServeHTTP(w, r)
		return true
	}
	if has(d.open, r) {
		d.open.ServeHTTP(w, r)
		return true
	}
	return d.refuse(w, r, bound)
}

// refuse answers a request without a route in the form of the dialect that it is most likely for, and
// reports whether there is such a dialect.
func (d *Dialects) refuse(w http.ResponseWriter, r *http.Request, bound *mounted) bool {
	owner := bound
	if near, prefixed := d.nearest(r.URL.Path); owner == nil || prefixed {
		owner = near
	}
	if owner == nil {
		return false
	}
	allowed := allow(d.open, r)
	if bound != nil && allowed == "" {
		allowed = allow(bound.own, r)
	}
	d.serving(owner.Dialect, func(w http.ResponseWriter, r *http.Request) {
		if allowed == "" {
			owner.Fail(w, r, api.Errorf(api.CodeNotFound, "there is nothing at %s", api.Quote(r.URL.Path)))
			return
		}
		w.Header().Set("Allow", allowed)
		owner.Fail(fixedStatus{w, http.StatusMethodNotAllowed}, r,
			api.Errorf(api.CodeNotFound, "method: got %s, want one of %s", r.Method, allowed))
	}).ServeHTTP(w, r)
	return true
}

// nearest is the dialect with a route that shares most leading segments with the path, nil when none
// shares any. Prefixed reports whether the path is below a prefix that only this dialect has.
func (d *Dialects) nearest(path string) (near *mounted, prefixed bool) {
	most := 0
	for i, one := range d.all {
		for _, route := range one.Routes() {
			if n := sharedSegments(route.Prefix+route.Path, path); n > most {
				most, near = n, &d.all[i]
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

// serving is what is the same around the handlers of every dialect: the request's id, its limits, and
// an answer in the vendor's form when the handler breaks.
func (d *Dialects) serving(one dialect.Dialect, handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		id := "req_" + ident.Hex(16)
		out := &reply{ResponseWriter: w, control: control}
		out.request.ended = r.ContentLength == 0
		out.Header().Set("X-Request-Id", id)
		_ = control.SetWriteDeadline(time.Time{}) // each write has its own, and so has each read
		_ = control.SetReadDeadline(time.Time{})
		out.request.ReadCloser, out.request.control = http.MaxBytesReader(w, r.Body, maxJobRequest), control
		out.request.last = time.Now().Add(transferTime)
		r.Body = &out.request
		defer d.recover(one, out, r, id)
		handle(out, r)
		out.begin()
	})
}

// recover answers for a handler that panicked, as far as it has not answered itself.
func (d *Dialects) recover(one dialect.Dialect, out *reply, r *http.Request, id string) {
	problem := recover()
	if problem == nil {
		return
	}
	if problem != http.ErrAbortHandler {
		d.log.Error("dialect broke", "dialect", one.Name(), "request", id, "problem", fmt.Sprint(problem), "stack", string(debug.Stack()))
	}
	if problem == http.ErrAbortHandler || out.began {
		panic(http.ErrAbortHandler)
	}
	one.Fail(out, r, api.Errorf(api.CodeInternal, "a defect of the coordinator, request %s", id))
}
