package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
)

// createKey makes an API key. It is shown here and never again.
func (s *server) createKey(w http.ResponseWriter, r *http.Request, _ account.Caller) {
	request, err := keyRequest(w, r)
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	key, err := newKey(request, s.Dialects.Names(), time.Now())
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	secret := account.NewSecret(key.Role)
	shown, err := s.Keys.Add(r.Context(), secret, key)
	if errors.Is(err, account.ErrNameTaken) {
		err = api.Errorf(api.CodeConflict, "name: a key is called %s already", api.Quote(key.Name))
	}
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	s.Log.Info("key made", "key", shown.ID, "name", key.Name, "role", string(key.Role), "dialect", key.Dialect)
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
func newKey(r api.KeyRequest, dialects []string, now time.Time) (account.Key, error) {
	var faults []api.Fault
	add := func(field, value, limit string) {
		faults = append(faults, api.Fault{Field: field, Value: value, Limit: limit})
	}
	if !api.PlainName(r.Name) {
		add("name", api.Quote(r.Name), "a plain name of letters, digits, '.', '_' and '-'")
	}
	key := account.Key{
		Role: account.Role(r.Role), Name: r.Name, Dialect: r.Dialect, PromptSettings: r.PromptSettings,
		CreatedAt: now.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}
	switch key.Role {
	case "", account.RoleClient:
		key.Role, key.Limits = account.RoleClient, api.DefaultKeyLimits
	case account.RoleAdmin:
	default:
		add("role", api.Quote(r.Role), "client or admin")
	}
	if r.Limits != nil {
		key.Limits = *r.Limits
	}
	if r.Dialect != "" && !slices.Contains(dialects, r.Dialect) {
		add("dialect", api.Quote(r.Dialect), "one of "+strings.Join(dialects, ", "))
	}
	for field, n := range map[string]float64{
		"limits.requests_per_minute": float64(key.Limits.RequestsPerMinute), "limits.open_jobs": float64(key.Limits.OpenJobs),
		"limits.images_per_day": float64(key.Limits.ImagesPerDay), "limits.megapixel_steps_per_day": key.Limits.MegapixelStepsPerDay,
	} {
		if n < 0 || n > 1e9 {
			add(field, strconv.FormatFloat(n, 'g', -1, 64), "0 to 1000000000, 0 for no limit")
		}
	}
	if key.Expired(now) {
		add("expires_at", r.ExpiresAt.Format(time.RFC3339), "a time to come")
	}
	slices.SortFunc(faults, func(a, b api.Fault) int { return strings.Compare(a.Field, b.Field) })
	return key, api.Invalid(faults)
}

func (s *server) listKeys(w http.ResponseWriter, r *http.Request, _ account.Caller) {
	s.answer(w, r, map[string][]api.Key{"keys": s.Keys.List()}, nil)
}

// removeKey answers with the key that is no longer one. Its jobs go on.
func (s *server) removeKey(w http.ResponseWriter, r *http.Request, _ account.Caller) {
	key, err := s.Keys.Remove(r.Context(), r.PathValue("id"))
	if err == nil {
		s.Log.Info("key revoked", "key", key.ID, "name", key.Name)
	}
	s.answer(w, r, key, err)
}
