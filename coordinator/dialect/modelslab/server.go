package modelslab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/easelgrid/easel/api"
)

// notice is a reply that is only a message.
type notice struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func (d *modelsLab) systemDetails(c *call) error {
	return c.Reply(struct {
		Models    int     `json:"model_count"`
		QueueTime float64 `json:"queue_time"` // seconds
		Status    string  `json:"status"`
	}{len(d.service.Models(c.Context(), Name)), d.eta(c.Context()), "ok"})
}

// loaded is a model in the vendor's list.
type loaded struct {
	LoadData string `json:"load_data"` // since when it is there
	ModelID  string `json:"model_id"`
}

func (d *modelsLab) allModels(c *call) error {
	all := []loaded{}
	for _, m := range d.service.Models(c.Context(), Name) {
		all = append(all, loaded{m.Created.UTC().Format("01/02/2006 15:04:05"), m.ID})
	}
	return c.Reply(struct {
		Models []loaded `json:"models"`
		Status string   `json:"status"`
	}{all, "success"})
}

// schedulers lists those that at least one model works with.
func (d *modelsLab) schedulers(c *call) error {
	all := []string{}
	for _, m := range d.service.Models(c.Context(), Name) {
		for _, s := range m.Schedulers {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return c.Reply(map[string][]string{"schedulers": all})
}

func knownScheduler(name string) bool { return slices.Contains(api.SchedulerNames, name) }

func (d *modelsLab) verifyModel(c *call) error {
	name := strings.TrimSpace(c.body.must("model_id"))
	if err := c.body.Err(); err != nil {
		return err
	}
	if _, err := d.service.Model(c.Context(), Name, name); err != nil {
		if api.AsError(err, api.CodeInternal).Code == api.CodeModelNotFound {
			return modelNotFound(name)
		}
		return err
	}
	return c.Reply(notice{"success", "Model exists on server"})
}

func (d *modelsLab) clearQueue(c *call) error {
	canceled, err := d.service.CancelQueued(c.Context(), c.Who)
	if err != nil {
		return err
	}
	return c.Reply(notice{"success", fmt.Sprintf("Queue cleared: %d requests canceled", canceled)})
}

// refusedVerbs are in the vendor's table and not done here.
var refusedVerbs = []string{
	"load_model", "load_model_v2", "load_vae", "delete_model", "sync_models", "restart_server",
	"update_server", "update", "clear_cache", "super_resolution",
}

// notDone are the reasons why verbs are refused.
var notDone = map[string]string{
	"load_model":       "models are installed on the nodes and named in the catalog",
	"load_model_v2":    "models are installed on the nodes and named in the catalog",
	"load_vae":         "VAEs are installed on the nodes",
	"delete_model":     "models are removed on the nodes",
	"sync_models":      "nodes report their models themselves; get_all_models lists them",
	"restart_server":   "no key has a server of its own to restart",
	"update_server":    "no key has a server of its own to update",
	"update":           "no key has a server of its own to update",
	"clear_cache":      "no key has a cache of its own to clear",
	"super_resolution": "nothing here enlarges images",
}

// refusing answers a verb that is not done here.
func refusing(verb string) func(*modelsLab, *call) error {
	return func(*modelsLab, *call) error {
		return api.Errorf(api.CodeUnsupported, "%s is not done here: %s", verb, notDone[verb])
	}
}

// controlNet refuses: no runtime has ControlNet models.
func (d *modelsLab) controlNet(*call) error {
	return api.Errorf(api.CodeUnsupported, "controlnet_model: no model here has a ControlNet; text2img, img2img and inpaint are done without")
}
