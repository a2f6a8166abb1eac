package coordinator

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
)

func (w *world) keyList() []api.Key {
	w.t.Helper()
	return decoded[struct{ Keys []api.Key }](w.t, w.call("GET", "/easel/v1/keys", "")).Keys
}

func TestKeysAreMadeListedAndRevoked(t *testing.T) {
	w := newWorld(t)
	made := w.call("POST", "/easel/v1/keys", `{"name":"website","dialect":"openai","prompt_settings":true,"limits":{"images_per_day":5}}`)
	key := decoded[api.Key](t, made)
	want := api.KeyLimits{RequestsPerMinute: 600, OpenJobs: 100, ImagesPerDay: 5}
	if made.status != 200 || !strings.HasPrefix(key.Secret, clientKeyPrefix) || key.Limits != want || key.Role != "client" || made.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("made %d %s", made.status, made.body)
	}
	list := w.keyList()
	if len(list) != 2 || list[0].Name != "admin" || list[0].Limits != (api.KeyLimits{}) || list[1].ID != key.ID || list[1].Secret != "" || !list[1].PromptSettings {
		t.Errorf("list %+v", list)
	}
	as := func() int { return w.call("GET", "/easel/v1/jobs", "", "Authorization", "Bearer "+key.Secret).status }
	if got := as(); got != 200 {
		t.Errorf("the key gives %d", got)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	for name, text := range contents(t, w.dir) {
		if bytes.Contains(text, []byte(key.Secret)) {
			t.Errorf("%s holds the key", name)
		}
	}
	w.start()
	if got := as(); got != 200 {
		t.Errorf("after a restart it gives %d", got)
	}
	if gone := w.call("DELETE", "/easel/v1/keys/"+key.ID, ""); gone.status != 200 || decoded[api.Key](t, gone).Name != "website" {
		t.Errorf("revoked: %d %s", gone.status, gone.body)
	}
	if got := as(); got != 401 {
		t.Errorf("revoked it gives %d", got)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.start()
	if got := as(); got != 401 || len(w.keyList()) != 1 {
		t.Errorf("revoked and restarted it gives %d, keys %v", got, w.keyList())
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
	w := newWorld(t)
	w.newKey(`{"name":"taken"}`)
	client := w.newKey(`{"name":"client"}`)
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for _, c := range []struct {
		name, method, path, body, key string
		status                        int
		says                          string
	}{
		{"no name", "POST", "", `{}`, w.key, 400, "name:"},
		{"a name twice", "POST", "", `{"name":"taken"}`, w.key, 409, "taken"},
		{"the first key's name", "POST", "", `{"name":"admin"}`, w.key, 409, "admin"},
		{"every fault", "POST", "", `{"name":"a b","role":"x","dialect":"y","limits":{"open_jobs":-1},"expires_at":"` + past + `"}`, w.key, 400, "expires_at:"},
		{"unknown field", "POST", "", `{"name":"a","secret":"mine"}`, w.key, 400, "secret"},
		{"unknown limit", "POST", "", `{"name":"a","limits":{"jobs":1}}`, w.key, 400, "jobs"},
		{"revoke nobody", "DELETE", "/x", "", w.key, 404, `"x"`},
		{"revoke the last admin", "DELETE", "/admin", "", w.key, 409, "last admin"},
		{"by a client", "POST", "", `{"name":"a"}`, client, 403, "admin"},
		{"listed by a client", "GET", "", "", client, 403, "admin"},
		{"revoked by a client", "DELETE", "/taken", "", client, 403, "admin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.call(c.method, "/easel/v1/keys"+c.path, c.body, "Authorization", "Bearer "+c.key)
			if got.status != c.status || !strings.Contains(message(t, got), c.says) {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	all := message(t, w.call("POST", "/easel/v1/keys", `{"name":"a b","role":"x","dialect":"y","limits":{"open_jobs":-1},"expires_at":"`+past+`"}`))
	for _, field := range []string{"name:", "role:", "dialect:", "limits.open_jobs:", "expires_at:"} {
		if !strings.Contains(all, field) {
			t.Errorf("%s is not in %s", field, all)
		}
	}
}

func TestExpiredKey(t *testing.T) {
	now := time.Now()
	k := &keys{byHash: map[string]*heldKey{}}
	k.hold(hashHex([]byte("secret")), apiKey{Role: roleClient, Name: "some", ExpiresAt: now}, 1)
	if _, err := k.caller("secret", now.Add(-time.Second)); err != nil {
		t.Errorf("before: %v", err)
	}
	if _, err := k.caller("secret", now); err != errExpiredKey {
		t.Errorf("after: %v", err)
	}
}

func TestRequestsComeBackWithTime(t *testing.T) {
	k, now := &keys{byHash: map[string]*heldKey{}}, time.Now()
	k.hold(hashHex([]byte("secret")), apiKey{Role: roleClient, Name: "some", Limits: api.KeyLimits{RequestsPerMinute: 30}}, 1)
	use := func(at time.Time) *api.Error {
		_, err := k.caller("secret", at)
		if err == nil {
			return nil
		}
		return api.AsError(err, "")
	}
	for i := range 30 {
		if err := use(now); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	err := use(now)
	if err == nil || err.Code != api.CodeRateLimited || err.RetryAfter != 2 {
		t.Fatalf("the 31st: %+v", err)
	}
	if err := use(now.Add(time.Duration(err.RetryAfter) * time.Second)); err != nil {
		t.Errorf("after as long as it says: %v", err)
	}
}

// A second admin's key makes the first one's revocation possible, and the first file's key stays dead.
func TestAdminKeyIsReplaced(t *testing.T) {
	w := newWorld(t)
	old := w.key
	w.key = w.newKey(`{"name":"other","role":"admin"}`)
	if !strings.HasPrefix(w.key, adminKeyPrefix) {
		t.Errorf("key %.12s...", w.key)
	}
	if got := w.call("DELETE", "/easel/v1/keys/admin", ""); got.status != 200 {
		t.Fatalf("revoke: %d %s", got.status, got.body)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.start()
	if got := w.call("GET", "/easel/v1/keys", "", "Authorization", "Bearer "+old); got.status != 401 {
		t.Errorf("the old key gives %d", got.status)
	}
	if list := w.keyList(); len(list) != 1 {
		t.Errorf("there are %v", list)
	}
}
