package ingest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestOnBehalf: a request of another organisation than the caller's is accepted with a warning, and of a client that
// sends its own only it is refused (RELIABILITY C31).
func TestOnBehalf(t *testing.T) {
	const warning = `"requester-caller"`
	send := func(org string, own bool, path, body string) (int, string) {
		var sent outbox
		c := newConfig(t, &sent)
		c.Authenticate = func(*http.Request) (principal.Principal, error) {
			return principal.Principal{Org: org, Client: "vendor", Scopes: []principal.Scope{principal.Submit}, OwnRequests: own}, nil
		}
		r := post(t, body)
		r.URL.Path = path
		w := httptest.NewRecorder()
		newHandler(c).ServeHTTP(w, r)
		if queued := len(sent.messages) == 1; queued != (w.Code == http.StatusAccepted) {
			t.Errorf("answered %d, queued %v", w.Code, queued)
		}
		return w.Code, w.Body.String()
	}
	bundle := referralFile(t, "cardiology-referral.json")
	single := `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"display":"x"},` +
		`"requester":{"identifier":{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"8003621566684455"}}}`
	for _, test := range []struct {
		name, org string
		own       bool
		status    int
		warned    bool
	}{
		{"its own", "8003621566684455", true, http.StatusAccepted, false},
		{"of another", "8003624900041689", false, http.StatusAccepted, true},
		{"of another, own only", "8003624900041689", true, http.StatusForbidden, false},
	} {
		for path, body := range map[string]string{"/fhir": bundle, "/fhir/ServiceRequest": single} {
			status, answer := send(test.org, test.own, path, body)
			if status != test.status || strings.Contains(answer, warning) != test.warned {
				t.Errorf("%s, %s: got %d, warned %v; want %d, %v", test.name, path, status, strings.Contains(answer, warning), test.status, test.warned)
			}
			if status == http.StatusForbidden && !strings.Contains(answer, "requester") {
				t.Errorf("%s, %s: %s", test.name, path, answer)
			}
		}
	}
}

// TestUnknownRecipient: what is addressed to an organisation that is no client is accepted with one warning for each
// (RELIABILITY C32).
func TestUnknownRecipient(t *testing.T) {
	for _, test := range []struct {
		knows func(string) bool
		want  int
	}{
		{nil, 0},
		{func(org string) bool { return org == "8003624900041689" }, 0},
		{func(string) bool { return false }, 1},
	} {
		var sent outbox
		c := newConfig(t, &sent)
		c.Knows = test.knows
		w := httptest.NewRecorder()
		newHandler(c).ServeHTTP(w, post(t, referralFile(t, "cardiology-referral.json")))
		if got := strings.Count(w.Body.String(), `"recipient-known"`); w.Code != http.StatusAccepted || got != test.want || len(sent.messages) != 1 {
			t.Errorf("got %d, %d warnings, %d sent; want 202, %d, 1: %s", w.Code, got, len(sent.messages), test.want, w.Body)
		}
	}
}
