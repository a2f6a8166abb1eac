package openai

import (
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

func (v *vendor) models(c *dialect.Call) error {
	list := modelList{"list", []model{}}
	for _, m := range v.service.Models(c.Context(), v.Name()) {
		list.Data = append(list.Data, modelOf(m))
	}
	return c.Reply(list)
}

func (v *vendor) model(c *dialect.Call) error {
	id := c.R.PathValue("id")
	if id == "" { // a job may leave the model out, this request not
		return api.Errorf(api.CodeNotFound, "there is nothing at %s", api.Quote(c.R.URL.Path))
	}
	m, err := v.service.Model(c.Context(), v.Name(), id)
	if err != nil {
		return err
	}
	return c.Reply(modelOf(m))
}
