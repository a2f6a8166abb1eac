package coordinator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// handler is the whole HTTP surface, in daylight.
func (c *coordinator) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /easel/v1/jobs", c.as(roleClient, c.createJob))
	mux.HandleFunc("GET /easel/v1/jobs", c.as(roleClient, c.listJobs))
	mux.HandleFunc("GET /easel/v1/jobs/{id}", c.as(roleClient, c.showJob))
	mux.HandleFunc("DELETE /easel/v1/jobs/{id}", c.as(roleClient, c.cancelJob))
	mux.HandleFunc("GET /easel/v1/jobs/{id}/events", c.as(roleClient, c.followJob))
	mux.HandleFunc("GET /easel/v1/jobs/{id}/explain", c.as(roleClient, c.explainJob))
	mux.HandleFunc("GET /easel/v1/jobs/{id}/images/{index}", c.showImage)
	mux.HandleFunc("PUT /easel/v1/jobs/{id}/attempts/{attempt}/images/{index}", c.storeImage)
	mux.HandleFunc("GET /easel/v1/jobs/{id}/attempts/{attempt}/inputs/{sha256}", c.showInput)
	mux.HandleFunc("GET /easel/v1/models", c.as(roleClient, c.listModels))
	mux.HandleFunc("GET /easel/v1/nodes", c.as(roleClient, c.listNodes))
	mux.HandleFunc("GET /easel/v1/nodes/{id}", c.as(roleClient, c.showNode))
	mux.HandleFunc("POST /easel/v1/nodes/{id}/drain", c.as(roleAdmin, c.drainNode(true)))
	mux.HandleFunc("POST /easel/v1/nodes/{id}/resume", c.as(roleAdmin, c.drainNode(false)))
	mux.HandleFunc("POST /easel/v1/nodes/{id}/revoke", c.as(roleAdmin, c.revokeNode))
	mux.HandleFunc("POST /easel/v1/tokens", c.as(roleAdmin, c.createToken))
	mux.HandleFunc("POST /easel/v1/keys", c.as(roleAdmin, c.createKey))
	mux.HandleFunc("GET /easel/v1/keys", c.as(roleAdmin, c.listKeys))
	mux.HandleFunc("DELETE /easel/v1/keys/{id}", c.as(roleAdmin, c.removeKey))
	mux.HandleFunc("GET /easel/v1/pictures/{file}", c.showKept)
	mux.HandleFunc("GET /easel/v1/webhooks/secret", c.as(roleClient, c.showWebhookSecret))
	mux.HandleFunc("GET /easel/v1/usage", c.as(roleClient, c.showUsage))
	mux.HandleFunc("GET /openapi/{file}", c.describe)
	mux.HandleFunc("GET "+api.NodePath, c.connect)
	mux.HandleFunc("GET /healthz", c.healthz)
	mux.HandleFunc("GET /readyz", c.readyz)
	return limited(mux, c.vendors)
}

// limited gives every request its times, hands over those for a dialect, and answers what no route
// takes in our own form. Routes that move images or stream set their own times.
func limited(mux *http.ServeMux, others *vendors) http.Handler {
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

// refusedRoute takes the mux's own answer to a request without a route, for its Allow header.
type refusedRoute struct{ header http.Header }

func (r *refusedRoute) Header() http.Header         { return r.header }
func (r *refusedRoute) Write(b []byte) (int, error) { return len(b), nil }
func (r *refusedRoute) WriteHeader(int)             {}

// as lets a request through whose key has the role. The caller is passed on.
func (c *coordinator) as(need role, handle func(http.ResponseWriter, *http.Request, caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := c.keys.caller(bearer(r), time.Now())
		if err == nil && need == roleAdmin && who.Role != roleAdmin {
			err = errNotAdmin
		}
		if err != nil {
			c.answer(w, r, nil, err)
			return
		}
		handle(w, r, who)
	}
}

// answer writes a reply or an error. An error that is not for the client is logged here, once, and
// hidden from it.
func (c *coordinator) answer(w http.ResponseWriter, r *http.Request, reply any, err error) {
	if err == nil {
		writeJSON(w, http.StatusOK, reply)
		return
	}
	if isStorage(err) {
		c.log.Error("request failed", "method", r.Method, "route", r.Pattern, "error", err)
		err = errStorage
	}
	writeError(w, api.AsError(err, api.CodeInternal))
}

// statuses is the one table from error codes to HTTP. A code that is not in it is a defect of ours.
var statuses = map[api.Code]int{
	api.CodeInvalidRequest: http.StatusBadRequest,
	api.CodeUnauthorized:   http.StatusUnauthorized,
	api.CodeForbidden:      http.StatusForbidden,
	api.CodeNotFound:       http.StatusNotFound,
	api.CodeModelNotFound:  http.StatusNotFound,
	api.CodeLoRANotFound:   http.StatusNotFound,
	api.CodeConflict:       http.StatusConflict,
	api.CodeTooLarge:       http.StatusRequestEntityTooLarge,
	api.CodeUnsupported:    http.StatusUnprocessableEntity,
	api.CodeRateLimited:    http.StatusTooManyRequests,
	api.CodeQuotaExceeded:  http.StatusPaymentRequired,
	api.CodeUnavailable:    http.StatusServiceUnavailable,
	api.CodeInternal:       http.StatusInternalServerError,
}

// errStorage is what clients read of a failure of storage.
var errStorage = &api.Error{Code: api.CodeUnavailable, Message: "the coordinator cannot store or read this now, try again"}

var errStopping = &api.Error{Code: api.CodeUnavailable, Message: "the coordinator is stopping"}

func writeError(w http.ResponseWriter, e *api.Error) {
	status, ok := statuses[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	writeStatus(w, status, e)
}

func writeStatus(w http.ResponseWriter, status int, e *api.Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="easel"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, status, map[string]*api.Error{"error": e})
}

func writeJSON(w http.ResponseWriter, status int, reply any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(reply) // a client that went away has no use for an error
}

func (c *coordinator) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "version": c.config.Version})
}

// readyz says whether jobs are accepted and placed.
func (c *coordinator) readyz(w http.ResponseWriter, _ *http.Request) {
	var faults []string
	if err := c.storage.healthy(); err != nil {
		faults = append(faults, err.Error())
	}
	if !c.dispatcher.running.Load() {
		faults = append(faults, "the dispatcher does not run")
	}
	if c.stopping.Err() != nil {
		faults = append(faults, errStopping.Message)
	}
	if len(faults) > 0 {
		writeError(w, api.Errorf(api.CodeUnavailable, "%s", strings.Join(faults, "; ")))
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}
