package coordinator

import (
	"net/http"
	"strings"

	"github.com/easelgrid/easel/api"
)

// describe serves a dialect's OpenAPI document as /openapi/NAME.json.
func (c *coordinator) describe(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	if d := c.vendors.find(name); ok && d != nil {
		writeJSON(w, http.StatusOK, d.Describe())
		return
	}
	writeError(w, api.Errorf(api.CodeNotFound, "there is no description %s, want one of %s with .json", api.Quote(r.PathValue("file")), strings.Join(c.vendors.names(), ", ")))
}
