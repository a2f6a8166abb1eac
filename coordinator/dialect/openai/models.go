package openai

import (
	"net/http"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// A model is an entry of the list.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func modelOf(m dialect.Model) model { return model{m.ID, "model", m.Created.Unix(), m.Owner} }

type modelList struct {
	Object string  `json:"object"`
	Data   []model `json:"data"`
}

func (v *vendor) models(w http.ResponseWriter, r *http.Request) {
	if _, err := v.service.Caller(r.Context(), dialect.Key(r)); err != nil {
		v.Fail(w, r, err)
		return
	}
	list := modelList{"list", []model{}}
	for _, m := range v.service.Models(r.Context(), v.Name()) {
		list.Data = append(list.Data, modelOf(m))
	}
	dialect.WriteJSON(w, http.StatusOK, list)
}

func (v *vendor) model(w http.ResponseWriter, r *http.Request) {
	_, err := v.service.Caller(r.Context(), dialect.Key(r))
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	id := r.PathValue("id")
	if id == "" { // a job may leave the model out, this request not
		v.Fail(w, r, api.Errorf(api.CodeNotFound, "there is nothing at %s", api.Quote(r.URL.Path)))
		return
	}
	m, err := v.service.Model(r.Context(), v.Name(), id)
	if err != nil {
		v.Fail(w, r, err)
		return
	}
	dialect.WriteJSON(w, http.StatusOK, modelOf(m))
}
