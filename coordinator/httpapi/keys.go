package coordinator

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// createKey makes an API key. It is shown here and never again.
func (c *coordinator) createKey(w http.ResponseWriter, r *http.Request, _ caller) {
	request, err := keyRequest(w, r)
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	key, err := c.newKey(request, time.Now())
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	secret := clientKeyPrefix + randomText()
	if key.Role == roleAdmin {
		secret = adminKeyPrefix + randomText()
	}
	id, err := c.keys.add(r.Context(), secret, key)
	if errors.Is(err, errNameTaken) {
		err = api.Errorf(api.CodeConflict, "name: a key is called %s already", api.Quote(key.Name))
	}
	if err != nil {
		c.answer(w, r, nil, err)
		return
	}
	c.log.Info("key made", "key", id, "name", key.Name, "role", string(key.Role), "dialect", key.Dialect)
	shown := key.view(hashHex([]byte(secret)))
	shown.Secret = secret
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, shown)
}

// keyRequest reads a request for a key. What limits leave out is as in api.DefaultKeyLimits.
func keyRequest(w http.ResponseWriter, r *http.Request) (api.KeyRequest, error) {
	var body struct {
		api.KeyRequest
		Limits json.RawMessage `json:"limits"`
	}
	if err := decodeRequest(w, r, maxRequest, &body); err != nil {
		return api.KeyRequest{}, err
	}
	if len(body.Limits) == 0 || string(body.Limits) == "null" {
		return body.KeyRequest, nil
	}
	limits := api.DefaultKeyLimits
	if err := decodeStrict(body.Limits, &limits); err != nil {
		return api.KeyRequest{}, err
	}
	body.KeyRequest.Limits = &limits
	return body.KeyRequest, nil
}

// newKey checks a request for a key.
func (c *coordinator) newKey(r api.KeyRequest, now time.Time) (apiKey, error) {
	var faults []api.Fault
	add := func(field, value, limit string) {
		faults = append(faults, api.Fault{Field: field, Value: value, Limit: limit})
	}
	if !api.PlainName(r.Name) {
		add("name", api.Quote(r.Name), "a plain name of letters, digits, '.', '_' and '-'")
	}
	key := apiKey{
		Role: role(r.Role), Name: r.Name, Dialect: r.Dialect, PromptSettings: r.PromptSettings,
		CreatedAt: now.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}
	switch key.Role {
	case "", roleClient:
		key.Role, key.Limits = roleClient, api.DefaultKeyLimits
	case roleAdmin:
	default:
		add("role", api.Quote(r.Role), "client or admin")
	}
	if r.Limits != nil {
		key.Limits = *r.Limits
	}
	if names := c.vendors.names(); r.Dialect != "" && !slices.Contains(names, r.Dialect) {
		add("dialect", api.Quote(r.Dialect), "one of "+strings.Join(names, ", "))
	}
	for field, n := range map[string]float64{
		"limits.requests_per_minute": float64(key.Limits.RequestsPerMinute), "limits.open_jobs": float64(key.Limits.OpenJobs),
		"limits.images_per_day": float64(key.Limits.ImagesPerDay), "limits.megapixel_steps_per_day": key.Limits.MegapixelStepsPerDay,
	} {
		if n < 0 || n > 1e9 {
			add(field, strconv.FormatFloat(n, 'g', -1, 64), "0 to 1000000000, 0 for no limit")
		}
	}
	if key.expired(now) {
		add("expires_at", r.ExpiresAt.Format(time.RFC3339), "a time to come")
	}
	slices.SortFunc(faults, func(a, b api.Fault) int { return strings.Compare(a.Field, b.Field) })
	return key, api.Invalid(faults)
}

func (c *coordinator) listKeys(w http.ResponseWriter, r *http.Request, _ caller) {
	c.answer(w, r, map[string][]api.Key{"keys": c.keys.list()}, nil)
}

// removeKey answers with the key that is no longer one. Its jobs go on.
func (c *coordinator) removeKey(w http.ResponseWriter, r *http.Request, _ caller) {
	key, err := c.keys.remove(r.Context(), r.PathValue("id"))
	if err == nil {
		c.log.Info("key revoked", "key", key.ID, "name", key.Name)
	}
	c.answer(w, r, key, err)
}
