package modelslab

import (
	"net/http"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/dialecttest"
)

var contract = dialecttest.NewContract(New(nil))

func TestEveryRouteIsDescribed(t *testing.T) {
	d := New(nil)
	dialecttest.Routes(t, d)
	ids := map[string]bool{}
	for path, methods := range d.Describe()["paths"].(object) {
		for method, operation := range methods.(object) {
			id := operation.(object)["operationId"].(string)
			if ids[id] {
				t.Errorf("%s %s: another operation is called %s too", method, path, id)
			}
			ids[id] = true
		}
	}
}

// checkReply compares a reply with what the document has of its path and status.
func checkReply(t testing.TB, method, path string, status int, body []byte) {
	t.Helper()
	contract.Reply(t, dialect.Route{Method: method, Path: path}, status, body)
}

// What is answered is what the document has, for jobs that end in each way.
func TestRepliesAreAsDescribed(t *testing.T) {
	bodies := map[string]string{
		textToImage: `{"key":"secret","prompt":"a"}`, imageToImage: `{"key":"secret","prompt":"a","init_image":"https://a.example/b"}`,
		inpaint:    `{"key":"secret","prompt":"a","init_image":"https://a.example/b","mask_image":"https://a.example/c","enhance_prompt":"yes"}`,
		controlNet: `{"key":"secret"}`, fetch: `{"key":"secret","request_id":42}`, verifyModel: `{"key":"secret","model_id":"shapes"}`,
		nsfwCheck: `{"key":"secret","init_image":"https://a.example/b"}`, uploadImage: `{"key":"secret","base64_image":"` + base64Of(64, 64) + `"}`,
		keyOnly: `{"key":"secret"}`,
	}
	for _, outcome := range []api.State{api.StateSucceeded, api.StateFailed, api.StateQueued} {
		for _, e := range endpoints() {
			for _, under := range e.under {
				for _, method := range e.allMethods() {
					s := newDesk()
					s.outcome = outcome
					if _, err := s.Submit(t.Context(), someCaller, someRequest("42")); err != nil {
						t.Fatal(err)
					}
					s.jobs["42"] = s.settle(s.jobs["42"])
					path := e.path(under)
					w := ask(t, serving(s), method, strings.ReplaceAll(path, "{id}", "42"), bodies[e.request])
					refused := e.request == controlNet || strings.HasPrefix(e.summary, "Refused")
					if (w.Code != 200) != refused && !(e.request == nsfwCheck && outcome != api.StateSucceeded) {
						t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
					}
					checkReply(t, method, path, w.Code, w.Body.Bytes())
					wrong := ask(t, serving(s), method, strings.ReplaceAll(path, "{id}", "x"), `{"key":"guess"}`)
					checkReply(t, method, path, wrong.Code, wrong.Body.Bytes())
				}
			}
		}
	}
}

// The examples are what the document has of requests.
func TestExamplesAreAsDescribed(t *testing.T) {
	verbs := map[string]string{}
	for _, e := range endpoints() {
		verbs[e.request] = e.path(e.under[0])
	}
	for file, request := range exampleRequests {
		contract.Request(t, dialect.Route{Method: http.MethodPost, Path: verbs[request]}, readExample(t, file))
	}
	route := dialect.Route{Method: http.MethodPost, Path: "/api/v6/images/text2img"}
	for _, wrong := range []string{
		`{}`, `{"prompt":""}`, `{"prompt":"a","samples":"5"}`, `{"prompt":"a","samples":5}`, `{"prompt":"a","tomesd":"perhaps"}`,
		`{"prompt":"a","scheduler":"none"}`, `{"prompt":"a","panorama":"yes"}`, `{"prompt":"a","seed":-2}`, `{"prompt":"a","width":63}`,
		`{"prompt":"a","track_id":"` + strings.Repeat("x", maxTrackID+1) + `"}`,
	} {
		if contract.CheckRequest(route, []byte(wrong)) == nil {
			t.Errorf("%s is described", wrong)
		}
	}
}

// The document is not so loose that it describes broken replies as well.
func TestDocumentIsSharp(t *testing.T) {
	for _, outcome := range []api.State{api.StateSucceeded, api.StateFailed, api.StateQueued} {
		s := newDesk()
		s.outcome = outcome
		w := ask(t, serving(s), "POST", "/api/v6/images/text2img", `{"key":"secret","prompt":"a"}`)
		contract.Sharp(t, dialect.Route{Method: http.MethodPost, Path: "/api/v6/images/text2img"}, w.Code, w.Body.Bytes())
	}
	w := ask(t, serving(newDesk()), "POST", "/api/v6/images/text2img", `{"key":"secret"}`)
	contract.Sharp(t, dialect.Route{Method: http.MethodPost, Path: "/api/v6/images/text2img"}, w.Code, w.Body.Bytes())
}
