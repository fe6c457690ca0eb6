package ingest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// TestScopeFillIsProvenApart: a message that may make its sender the owner of a Task says, with proof, that its client has the
// scope, and no other does. Whether it has is no part of which submission it is (promise G6).
func TestScopeFillIsProvenApart(t *testing.T) {
	const (
		task  = `{"resourceType":"Task","id":"` + knownID + `","status":"accepted","intent":"order"}`
		entry = `{"fullUrl":"https://referrals.example/fhir/Task/` + knownID + `","resource":` + task + `,"request":{"method":"PUT","url":"Task/` + knownID + `"}}`
	)
	for name, test := range map[string]struct {
		method, url, body string
		fills             bool
	}{
		"update of a Task":    {"PUT", "/fhir/Task/" + knownID, task, true},
		"patch of a Task":     {"PATCH", "/fhir/Task/" + knownID, `[{"op":"replace","path":"/status","value":"accepted"}]`, true},
		"transaction":         {"POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[` + entry + `]}`, true},
		"deletion of a Task":  {"DELETE", "/fhir/Task/" + knownID, "", false},
		"update of a Patient": {"PUT", "/fhir/Patient/" + knownID, knownJSON, false},
		"creates":             {"POST", "/fhir", creates, false},
	} {
		t.Run(name, func(t *testing.T) {
			send := func(without ...principal.Scope) *queue.Message {
				sent := &outbox{}
				config := newConfig(t, sent)
				config.Authenticate = func(r *http.Request) (principal.Principal, error) {
					p, err := principal.Development().Authenticate(r)
					p.Scopes = slices.DeleteFunc(slices.Clone(p.Scopes), func(s principal.Scope) bool { return slices.Contains(without, s) })
					return p, err
				}
				w := httptest.NewRecorder()
				newHandler(config).ServeHTTP(w, request(t, test.method, test.url, test.body, "Idempotency-Key", "key-1"))
				if w.Code != http.StatusAccepted {
					t.Fatalf("got %d %s, want 202", w.Code, w.Body)
				}
				return sent.only(t)
			}
			with, without := send(), send(principal.Fill)
			if with.ID != without.ID {
				t.Error("the scope makes it another submission")
			}
			if got := with.ProvesFill(newKeys(t)); got != test.fills || got != (with.Fill != nil) {
				t.Errorf("with the scope: got proof %x, %t, want %t", with.Fill, got, test.fills)
			}
			if without.Fill != nil {
				t.Error("without the scope there is a proof")
			}
		})
	}
}
