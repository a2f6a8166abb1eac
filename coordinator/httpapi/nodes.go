package httpapi

import (
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
)

func (s *server) listModels(w http.ResponseWriter, r *http.Request, _ account.Caller) {
	s.answer(w, r, map[string][]api.Offer{"models": s.Offers.Native()}, nil)
}

func (s *server) listNodes(w http.ResponseWriter, r *http.Request, _ account.Caller) {
	s.answer(w, r, map[string][]api.Node{"nodes": s.Fleet.List(s.Jobs.Busy())}, nil)
}

func (s *server) showNode(w http.ResponseWriter, r *http.Request, _ account.Caller) {
	node, err := s.Fleet.Node(r.PathValue("id"), s.Jobs.Busy())
	s.answer(w, r, node, err)
}

func (s *server) drainNode(on bool) func(http.ResponseWriter, *http.Request, account.Caller) {
	return func(w http.ResponseWriter, r *http.Request, who account.Caller) {
		if err := s.Fleet.Drain(r.Context(), r.PathValue("id"), on); err != nil {
			s.answer(w, r, nil, err)
			return
		}
		s.Log.Info("node drains", "node", r.PathValue("id"), "on", on)
		s.showNode(w, r, who)
	}
}

// revokeNode shuts a node out; what it works on is taken from it at once.
func (s *server) revokeNode(w http.ResponseWriter, r *http.Request, who account.Caller) {
	id := r.PathValue("id")
	if err := s.Fleet.Revoke(r.Context(), id); err != nil {
		s.answer(w, r, nil, err)
		return
	}
	for _, a := range s.Jobs.Busy()[id] {
		_ = s.Jobs.Lose(r.Context(), a, id, api.Errorf(api.CodeNodeLost, "node %s was revoked", id), false) // logged there
	}
	s.Log.Info("node revoked", "node", id)
	s.showNode(w, r, who)
}

// createToken makes a join token. It is shown here and never again.
func (s *server) createToken(w http.ResponseWriter, r *http.Request, _ account.Caller) {
	token, err := s.Tokens.Issue(r.Context(), time.Now())
	if err == nil {
		w.Header().Set("Cache-Control", "no-store")
	}
	s.answer(w, r, token, err)
}
