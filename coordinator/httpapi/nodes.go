package coordinator

import (
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
)

func (c *coordinator) listModels(w http.ResponseWriter, r *http.Request, _ caller) {
	c.answer(w, r, map[string][]catalogEntry{"models": c.known()}, nil)
}

func (c *coordinator) listNodes(w http.ResponseWriter, r *http.Request, _ caller) {
	c.answer(w, r, map[string][]api.Node{"nodes": c.nodes.list(c.jobs.busy())}, nil)
}

func (c *coordinator) showNode(w http.ResponseWriter, r *http.Request, _ caller) {
	node, err := c.nodes.one(r.PathValue("id"), c.jobs.busy())
	c.answer(w, r, node, err)
}

func (c *coordinator) drainNode(on bool) func(http.ResponseWriter, *http.Request, caller) {
	return func(w http.ResponseWriter, r *http.Request, _ caller) {
		if err := c.nodes.drain(r.Context(), r.PathValue("id"), on); err != nil {
			c.answer(w, r, nil, err)
			return
		}
		c.log.Info("node drains", "node", r.PathValue("id"), "on", on)
		c.showNode(w, r, caller{})
	}
}

// revokeNode shuts a node out; what it works on is taken from it at once.
func (c *coordinator) revokeNode(w http.ResponseWriter, r *http.Request, _ caller) {
	id := r.PathValue("id")
	if err := c.nodes.revoke(r.Context(), id); err != nil {
		c.answer(w, r, nil, err)
		return
	}
	for _, a := range c.jobs.busy()[id] {
		c.dispatcher.lose(r.Context(), a, id, api.Errorf(api.CodeNodeLost, "node %s was revoked", id))
	}
	c.log.Info("node revoked", "node", id)
	c.showNode(w, r, caller{})
}

// createToken makes a join token. It is shown here and never again.
func (c *coordinator) createToken(w http.ResponseWriter, r *http.Request, _ caller) {
	token, expires, err := c.tokens.issue(r.Context(), time.Now())
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}{token, expires})
}
