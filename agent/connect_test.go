package agent

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/easelgrid/easel/api"
)

// TestIntroduction sends registrations over a real websocket: no frame is larger than the coordinator takes,
// and the runtimes arrive whole, in the registration or behind it.
func TestIntroduction(t *testing.T) {
	for name, c := range map[string]struct {
		models, loras int
		inParts       bool
	}{
		"one model":                {1, 3, false},
		"3 models x 200 LoRAs":     {3, 200, true},
		"500 models, 10,000 LoRAs": {500, 20, true},
	} {
		t.Run(name, func(t *testing.T) {
			runtime := api.Runtime{Name: "builtin"}
			for i := range c.models {
				m := api.Model{Name: fmt.Sprintf("model-%d", i), Digest: strings.Repeat("0", 64)}
				for j := range c.loras {
					m.LoRAs = append(m.LoRAs, api.Adapter{Name: fmt.Sprintf("a LoRA with the number %d", j), Digest: strings.Repeat("f", 64)})
				}
				runtime.Models = append(runtime.Models, m)
			}
			want := []api.Runtime{runtime}
			got := make(chan []api.Runtime, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got <- introduced(t, w, r, c.inParts) }))
			defer server.Close()
			conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := introduce(conn, &api.Register{Protocol: api.ProtocolVersion, Runtimes: want}); err != nil {
				t.Fatal(err)
			}
			if runtimes := <-got; !reflect.DeepEqual(runtimes, want) {
				t.Errorf("other runtimes arrived")
			}
		})
	}
}

// introduced reads a registration as a coordinator does.
func introduced(t *testing.T, w http.ResponseWriter, r *http.Request, inParts bool) []api.Runtime {
	conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
	conn.SetReadLimit(api.MaxFrame)
	next := func() (m api.NodeMessage) {
		_, frame, err := conn.ReadMessage()
		if err == nil {
			err = api.DecodeFrame(frame, &m)
		}
		if err != nil {
			t.Error(err)
		}
		return m
	}
	register := next().Register
	if register == nil || (register.Parts > 0) != inParts {
		t.Error("the runtimes are not where they should be")
		return nil
	}
	if !inParts {
		return register.Runtimes
	}
	var d api.Description
	for range register.Parts {
		part := next().Describe
		if part == nil || d.Add(*part) != nil {
			t.Error("a part is missing")
			return nil
		}
	}
	runtimes, err := d.Runtimes()
	if err != nil {
		t.Error(err)
	}
	return runtimes
}
