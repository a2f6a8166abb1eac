// Package httpapi is the coordinator's HTTP surface: the handlers of the native API under /easel/v1, and the
// dialects mounted beside them. It owns routes, time limits and statuses; what a request does is done by the
// rooms below.
package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/dispatch"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/coordinator/intake"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/offer"
	"github.com/easelgrid/easel/coordinator/session"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/coordinator/webhook"
)

// Times that requests have.
const (
	requestTime  = 30 * time.Second // to send a small request, and to take a small answer
	transferTime = 10 * time.Minute // to send or take an image
)

// Options are what the HTTP surface needs.
type Options struct {
	Store      *store.Store
	Jobs       *job.Jobs
	Fleet      *fleet.Fleet
	Tokens     *fleet.Tokens
	Keys       *account.Keys
	Ledger     *account.Ledger
	Offers     *offer.Offers
	Artifacts  *artifact.Store
	Links      artifact.Links
	Uploads    artifact.Uploads
	Intake     *intake.Service
	Sessions   *session.Sessions
	Dispatcher *dispatch.Dispatcher
	Signer     webhook.Signer
	Dialects   *Dialects

	KeepImages time.Duration // how long images are kept after their job was settled
	Version    string
	Log        *slog.Logger
}

type server struct {
	Options
	stopping <-chan struct{}
}

// New makes the handler of everything; streams end when stopping is closed.
func New(stopping <-chan struct{}, o Options) http.Handler {
	s := &server{o, stopping}
	return limited(s.routes(), o.Dialects)
}

// routes are the whole native surface, in daylight.
func (s *server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /easel/v1/jobs", s.as(account.RoleClient, s.createJob))
	mux.HandleFunc("GET /easel/v1/jobs", s.as(account.RoleClient, s.listJobs))
	mux.HandleFunc("GET /easel/v1/jobs/{id}", s.as(account.RoleClient, s.showJob))
	mux.HandleFunc("DELETE /easel/v1/jobs/{id}", s.as(account.RoleClient, s.cancelJob))
	mux.HandleFunc("GET /easel/v1/jobs/{id}/events", s.as(account.RoleClient, s.followJob))
	mux.HandleFunc("GET /easel/v1/jobs/{id}/explain", s.as(account.RoleClient, s.explainJob))
	mux.HandleFunc("GET /easel/v1/jobs/{id}/images/{index}", s.showImage)
	mux.HandleFunc("PUT /easel/v1/jobs/{id}/attempts/{attempt}/images/{index}", s.storeImage)
	mux.HandleFunc("GET /easel/v1/jobs/{id}/attempts/{attempt}/inputs/{sha256}", s.showInput)
	mux.HandleFunc("GET /easel/v1/models", s.as(account.RoleClient, s.listModels))
	mux.HandleFunc("GET /easel/v1/nodes", s.as(account.RoleClient, s.listNodes))
	mux.HandleFunc("GET /easel/v1/nodes/{id}", s.as(account.RoleClient, s.showNode))
	mux.HandleFunc("POST /easel/v1/nodes/{id}/drain", s.as(account.RoleAdmin, s.drainNode(true)))
	mux.HandleFunc("POST /easel/v1/nodes/{id}/resume", s.as(account.RoleAdmin, s.drainNode(false)))
	mux.HandleFunc("POST /easel/v1/nodes/{id}/revoke", s.as(account.RoleAdmin, s.revokeNode))
	mux.HandleFunc("POST /easel/v1/tokens", s.as(account.RoleAdmin, s.createToken))
	mux.HandleFunc("POST /easel/v1/keys", s.as(account.RoleAdmin, s.createKey))
	mux.HandleFunc("GET /easel/v1/keys", s.as(account.RoleAdmin, s.listKeys))
	mux.HandleFunc("DELETE /easel/v1/keys/{id}", s.as(account.RoleAdmin, s.removeKey))
	mux.HandleFunc("GET /easel/v1/pictures/{file}", s.showUpload)
	mux.HandleFunc("GET /easel/v1/webhooks/secret", s.as(account.RoleClient, s.showWebhookSecret))
	mux.HandleFunc("GET /easel/v1/usage", s.as(account.RoleClient, s.showUsage))
	mux.HandleFunc("GET /openapi/{file}", s.describe)
	mux.HandleFunc("GET "+api.NodePath, s.connect)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	return mux
}

// limited gives every request its times, passes on those for a dialect, and answers what no route
// takes in our own form. Routes that move images or stream set their own times.
func limited(mux *http.ServeMux, others *Dialects) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setTimes(w, requestTime, requestTime)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		if others.serve(w, r) {
			return
		}
		if allowed := allow(mux, r); allowed != "" {
			w.Header().Set("Allow", allowed)
			writeStatus(w, http.StatusMethodNotAllowed, api.Errorf(api.CodeNotFound, "method: got %s, want one of %s", r.Method, allowed))
			return
		}
		writeError(w, api.Errorf(api.CodeNotFound, "there is nothing at %s", api.Quote(r.URL.Path)))
	})
}

// setTimes limits how long the rest of a request and its answer may take. A connection that cannot
// be limited is one of a test without a network.
func setTimes(w http.ResponseWriter, read, write time.Duration) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(read))
	_ = control.SetWriteDeadline(time.Now().Add(write))
}

// as lets a request through whose key has the role. The caller is passed on.
func (s *server) as(need account.Role, handle func(http.ResponseWriter, *http.Request, account.Caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := s.Keys.Caller(bearer(r), time.Now())
		if err == nil && need == account.RoleAdmin && !who.Admin() {
			err = account.ErrNotAdmin
		}
		if err != nil {
			s.answer(w, r, nil, err)
			return
		}
		handle(w, r, who)
	}
}

// bearer returns the token of the Authorization header, "" when there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func (s *server) connect(w http.ResponseWriter, r *http.Request) {
	if err := s.Sessions.Connect(w, r); err != nil {
		writeError(w, api.AsError(err, api.CodeInternal))
	}
}

func (s *server) showWebhookSecret(w http.ResponseWriter, r *http.Request, who account.Caller) {
	w.Header().Set("Cache-Control", "no-store")
	s.answer(w, r, map[string]string{"secret": s.Signer.Secret(who.Name)}, nil)
}

func (s *server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "version": s.Version})
}

// readyz reports whether jobs are accepted and placed.
func (s *server) readyz(w http.ResponseWriter, _ *http.Request) {
	var faults []string
	if err := s.Store.Healthy(); err != nil {
		faults = append(faults, err.Error())
	}
	if !s.Dispatcher.Running() {
		faults = append(faults, "the dispatcher does not run")
	}
	if s.isStopping() {
		faults = append(faults, intake.ErrStopping.Message)
	}
	if len(faults) > 0 {
		writeError(w, api.Errorf(api.CodeUnavailable, "%s", strings.Join(faults, "; ")))
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *server) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// describe serves a dialect's OpenAPI document as /openapi/NAME.json.
func (s *server) describe(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	if d := s.Dialects.find(name); ok && d != nil {
		writeJSON(w, http.StatusOK, d.Describe())
		return
	}
	writeError(w, api.Errorf(api.CodeNotFound, "there is no description %s, want one of %s with .json", api.Quote(r.PathValue("file")), strings.Join(s.Dialects.Names(), ", ")))
}

// has reports whether a mux has a route for a request.
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

// refusedRoute takes the mux's own answer to a request without a route, for its Allow header.
type refusedRoute struct{ header http.Header }

func (r *refusedRoute) Header() http.Header         { return r.header }
func (r *refusedRoute) Write(b []byte) (int, error) { return len(b), nil }
func (r *refusedRoute) WriteHeader(int)             {}
