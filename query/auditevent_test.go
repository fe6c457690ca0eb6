package query_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestOperatorReadsWhoSawAPatient: of the accesses to one patient's data all are there, each with who, what and when, and
// none of another's; to others than the operator there is nothing.
func TestOperatorReadsWhoSawAPatient(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	one, two := s.settle(s.settlement(1, recipient)), s.settle(s.settlement(2, recipient))
	patient := one.Resources[0].ID.String()
	for _, target := range []string{"/fhir/Patient/" + patient, "/fhir/ServiceRequest?identifier=SYN-1", "/fhir/Patient/" + two.Resources[0].ID.String()} {
		if got := s.get("dev-recipient", target).Code; got != http.StatusOK {
			t.Fatalf("%s: got %d", target, got)
		}
	}
	search := func(key, query string) (subtypes, orgs []string, bundle *fhir.Value) {
		t.Helper()
		w := s.get(key, "/fhir/AuditEvent?"+query)
		bundle = valid(t, w.Code, parse(t, w))
		for _, entry := range bundle.Get("entry").Items() {
			event := entry.Get("resource")
			subtypes = append(subtypes, event.At("subtype", "code").Text())
			orgs = append(orgs, event.At("agent", "who", "identifier", "value").Text())
		}
		return subtypes, orgs, bundle
	}
	subtypes, orgs, _ := search("dev-operator", "patient=Patient/"+patient)
	if got := strings.Join(subtypes, " "); got != "search-type read transaction" {
		t.Errorf("got interactions %q, want the two accesses and the creation, newest first", got)
	}
	if got := strings.Join(orgs, " "); got != recipient+" "+recipient+" "+sender {
		t.Errorf("got organisations %q", got)
	}
	for query, want := range map[string]int{
		"patient=" + patient + "&action=R":             1,
		"patient=" + patient + "&action=C":             1,
		"patient=" + patient + "&subtype=search-type":  1, // and the searches of the audit itself, which follow
		"patient=" + patient + "&action=R&date=ge2020": 1,
		"patient=" + patient + "&action=R&date=lt2020": 0,
		"patient=" + patient + "&action=R&date=2020":   0,
		"patient=0199a000-0000-7000-8000-00000000dead": 0,
	} {
		got, _, _ := search("dev-operator", query)
		if len(got) < want || want == 0 && len(got) > 0 {
			t.Errorf("%s: got %d, want %d", query, len(got), want)
		}
	}
	for _, key := range []string{"dev-sender", "dev-recipient"} {
		if got, _, _ := search(key, "patient="+patient); len(got) > 0 {
			t.Errorf("%s: got %v", key, got)
		}
	}
	read := s.get("dev-operator", "/fhir/AuditEvent/1")
	valid(t, read.Code, parse(t, read))
	for target, want := range map[string]int{
		"/fhir/AuditEvent/999999": 404, "/fhir/AuditEvent/0": 404, "/fhir/AuditEvent/x": 404, "/fhir/AuditEvent?colour=red": 400, "/fhir/AuditEvent?patient=x": 400,
		"/fhir/AuditEvent?action=R&action=C": 400, "/fhir/AuditEvent?_page=x": 400,
		"/fhir/AuditEvent?action=%00": 400, "/fhir/AuditEvent?subtype=%FF": 400, "/fhir/Patient/" + patient: 403,
	} {
		if got := s.get("dev-operator", target).Code; got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
	if got := s.get("dev-sender", "/fhir/AuditEvent/1").Code; got != http.StatusNotFound {
		t.Errorf("a sender's read of the audit: got %d, want 404", got)
	}
	_, _, bundle := search("dev-operator", "_count=2")
	seen := map[string]bool{}
	for n := 0; bundle != nil && n < 50; n++ {
		for _, entry := range bundle.Get("entry").Items() {
			id := entry.At("resource", "id").Text()
			if seen[id] {
				t.Errorf("AuditEvent/%s is on two pages", id)
			}
			seen[id] = true
		}
		next := strings.TrimPrefix(link(bundle, "next"), "https://referral.example")
		if bundle = nil; next != "" {
			bundle = parse(t, s.get("dev-operator", next))
		}
	}
	if !seen["1"] || len(seen) < 5 {
		t.Errorf("pages have %d rows, want all", len(seen))
	}
}

func TestAuditEventsAskOnceWhoCalls(t *testing.T) {
	t.Parallel()
	asked := 0
	s := newServerWith(t, pgtest.New(t), func(c *query.Config) {
		known := c.Authenticate
		c.Authenticate = func(r *http.Request) (principal.Principal, error) {
			asked++ // each asking counts against the caller's rate and quota
			return known(r)
		}
	})
	for i, key := range []string{"dev-operator", "dev-sender"} {
		if w := s.get(key, "/fhir/AuditEvent"); w.Code != http.StatusOK || asked != i+1 {
			t.Errorf("%s: got %d and %d times asked in all, want 200 and %d", key, w.Code, asked, i+1)
		}
	}
}
