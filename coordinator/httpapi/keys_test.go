package httpapi_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/internal/ident"
)

func listKeys(t *testing.T, w *coordtest.World) []api.Key {
	t.Helper()
	return coordtest.Decoded[struct{ Keys []api.Key }](t, w.Call("GET", "/easel/v1/keys", "")).Keys
}

func TestKeysAreMadeListedAndRevoked(t *testing.T) {
	w := coordtest.New(t)
	made := w.Call("POST", "/easel/v1/keys", `{"name":"website","dialect":"openai","prompt_settings":true,"limits":{"images_per_day":5}}`)
	key := coordtest.Decoded[api.Key](t, made)
	want := api.KeyLimits{RequestsPerMinute: 600, OpenJobs: 100, ImagesPerDay: 5}
	if made.Status != 200 || !strings.HasPrefix(key.Secret, "easel_client_") || key.Limits != want || key.Role != "client" || made.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("made %d %s", made.Status, made.Body)
	}
	list := listKeys(t, w)
	if len(list) != 2 || list[0].Name != "admin" || list[0].Limits != (api.KeyLimits{}) || list[1].ID != key.ID || list[1].Secret != "" || !list[1].PromptSettings {
		t.Errorf("list %+v", list)
	}
	as := func() int { return w.Call("GET", "/easel/v1/jobs", "", "Authorization", "Bearer "+key.Secret).Status }
	if got := as(); got != 200 {
		t.Errorf("the key gives %d", got)
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	for name, text := range contents(t, w.Dir) {
		if bytes.Contains(text, []byte(key.Secret)) {
			t.Errorf("%s holds the key", name)
		}
	}
	w.Start()
	if got := as(); got != 200 {
		t.Errorf("after a restart it gives %d", got)
	}
	if gone := w.Call("DELETE", "/easel/v1/keys/"+key.ID, ""); gone.Status != 200 || coordtest.Decoded[api.Key](t, gone).Name != "website" {
		t.Errorf("revoked: %d %s", gone.Status, gone.Body)
	}
	if got := as(); got != 401 {
		t.Errorf("revoked it gives %d", got)
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	w.Start()
	if got := as(); got != 401 || len(listKeys(t, w)) != 1 {
		t.Errorf("revoked and restarted it gives %d, keys %v", got, listKeys(t, w))
	}
}

func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	return all
}

func TestBadKeys(t *testing.T) {
	w := coordtest.New(t)
	w.NewKey(`{"name":"taken"}`)
	client := w.NewKey(`{"name":"client"}`)
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for _, c := range []struct {
		name, method, path, body, key string
		status                        int
		says                          string
	}{
		{"no name", "POST", "", `{}`, w.Key, 400, "name:"},
		{"a name twice", "POST", "", `{"name":"taken"}`, w.Key, 409, "taken"},
		{"the first key's name", "POST", "", `{"name":"admin"}`, w.Key, 409, "admin"},
		{"every fault", "POST", "", `{"name":"a b","role":"x","dialect":"y","limits":{"open_jobs":-1},"expires_at":"` + past + `"}`, w.Key, 400, "expires_at:"},
		{"unknown field", "POST", "", `{"name":"a","secret":"mine"}`, w.Key, 400, "secret"},
		{"unknown limit", "POST", "", `{"name":"a","limits":{"jobs":1}}`, w.Key, 400, "jobs"},
		{"revoke nobody", "DELETE", "/x", "", w.Key, 404, `"x"`},
		{"revoke the last admin", "DELETE", "/admin", "", w.Key, 409, "last admin"},
		{"by a client", "POST", "", `{"name":"a"}`, client, 403, "admin"},
		{"listed by a client", "GET", "", "", client, 403, "admin"},
		{"revoked by a client", "DELETE", "/taken", "", client, 403, "admin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.Call(c.method, "/easel/v1/keys"+c.path, c.body, "Authorization", "Bearer "+c.key)
			if got.Status != c.status || !strings.Contains(coordtest.Message(t, got), c.says) {
				t.Errorf("got %d %s", got.Status, got.Body)
			}
		})
	}
	all := coordtest.Message(t, w.Call("POST", "/easel/v1/keys", `{"name":"a b","role":"x","dialect":"y","limits":{"open_jobs":-1},"expires_at":"`+past+`"}`))
	for _, field := range []string{"name:", "role:", "dialect:", "limits.open_jobs:", "expires_at:"} {
		if !strings.Contains(all, field) {
			t.Errorf("%s is not in %s", field, all)
		}
	}
}

// A second admin's key makes the first one's revocation possible, and the first file's key stays dead.
func TestAdminKeyIsReplaced(t *testing.T) {
	w := coordtest.New(t)
	old := w.Key
	w.Key = w.NewKey(`{"name":"other","role":"admin"}`)
	if !strings.HasPrefix(w.Key, account.AdminKeyPrefix) {
		t.Errorf("key %.12s...", w.Key)
	}
	if got := w.Call("DELETE", "/easel/v1/keys/admin", ""); got.Status != 200 {
		t.Fatalf("revoke: %d %s", got.Status, got.Body)
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	w.Start()
	if got := w.Call("GET", "/easel/v1/keys", "", "Authorization", "Bearer "+old); got.Status != 401 {
		t.Errorf("the old key gives %d", got.Status)
	}
	if list := listKeys(t, w); len(list) != 1 {
		t.Errorf("there are %v", list)
	}
}

func TestKeys(t *testing.T) {
	w := coordtest.New(t)
	for _, path := range []string{"/easel/v1/jobs", "/easel/v1/jobs/x", "/easel/v1/jobs/x/events", "/easel/v1/nodes", "/easel/v1/models", "/easel/v1/jobs/x/images/0"} {
		for name, key := range map[string]string{"none": "", "wrong": "Bearer " + account.AdminKeyPrefix + "x", "another scheme": "Basic " + w.Key} {
			a := w.Call("GET", path, "", "Authorization", key)
			if a.Status != 401 || a.Code() != api.CodeUnauthorized || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s with %s: %d %s", path, name, a.Status, a.Body)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := w.Call("GET", path, "", "Authorization", ""); a.Status != 200 {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}

func TestClientKeyIsNoAdmin(t *testing.T) {
	w := coordtest.New(t)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	s, err := store.Embedded(t.Context(), w.Dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	nameless, err := store.Open[map[string]string](t.Context(), s, "keys", 0) // as the first version wrote them
	if err == nil {
		_, err = nameless.Create(t.Context(), ident.Digest([]byte("client key")), map[string]string{"role": "client", "created_at": "2026-01-01T00:00:00Z"})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	w.Start()
	w.Key = "client key"
	w.Submit(`{"prompt":"a red circle"}`)
	for _, path := range []string{"/easel/v1/tokens", "/easel/v1/nodes/x/drain", "/easel/v1/nodes/x/revoke"} {
		if a := w.Call("POST", path, ""); a.Status != 403 || a.Code() != api.CodeForbidden {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}
