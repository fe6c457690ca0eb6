package query_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// pathology is a request in a group, what it refers to, and what is beside it: another request of the patient's with its
// Task, and another patient.
var pathology = []string{
	0: `{"resourceType":"Patient","managingOrganization":{"reference":"Organization/{4}"}}`,
	1: `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/{0}"},"requester":{"reference":"PractitionerRole/{2}"}}`,
	2: `{"resourceType":"PractitionerRole","practitioner":{"reference":"Practitioner/{3}"}}`,
	3: `{"resourceType":"Practitioner","active":true}`,
	4: `{"resourceType":"Organization","name":"Synthetic"}`,
	5: `{"resourceType":"Task","status":"requested","intent":"order","for":{"reference":"Patient/{0}"},"focus":{"reference":"ServiceRequest/{1}"},"partOf":[{"reference":"Task/{6}"}]}`,
	6: `{"resourceType":"Task","status":"requested","intent":"order","for":{"reference":"Patient/{0}"}}`,
	7: `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/{0}"}}`,
	8: `{"resourceType":"Task","status":"requested","intent":"order","for":{"reference":"Patient/{0}"},"focus":{"reference":"ServiceRequest/{7}"}}`,
	9: `{"resourceType":"Patient","active":true}`,
}

func TestEverything(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	settled := s.settleThese(1, []string{recipient}, pathology...)
	numbers := map[string]int{}
	for i, r := range settled {
		numbers[r.ID.String()] = i
	}
	row := func(e *fhir.Value) string {
		return string(rune('0'+numbers[e.At("resource", "id").Text()])) + e.At("search", "mode").Text()[:1]
	}
	patient, request := "/fhir/Patient/"+settled[0].ID.String()+"/$everything", "/fhir/ServiceRequest/"+settled[1].ID.String()+"/$everything"
	everything := []string{"0m", "1m", "2i", "3i", "4i", "5m", "6m", "7m", "8m"}
	around := []string{"0i", "1m", "2i", "3i", "4i", "5m", "6i"}
	for _, test := range []struct {
		key, target string
		want        []string
		pages       int
		total       string
	}{
		{"dev-sender", patient, everything, 1, "6"},
		{"dev-recipient", patient, everything, 1, "6"},
		{"dev-sender", patient + "?_count=1", everything, 9, "6"},
		{"dev-sender", patient + "?_count=4", everything, 3, "6"},
		{"dev-sender", patient + "?_type=Task,Practitioner", []string{"3i", "5m", "6m", "8m"}, 1, "3"},
		{"dev-sender", patient + "?_type=Task,%00,%FF,Practitioner", []string{"3i", "5m", "6m", "8m"}, 1, "3"},
		{"dev-sender", patient + "?_type=Task&_count=2", []string{"5m", "6m", "8m"}, 2, "3"},
		{"dev-sender", patient + "?_since=2100-01-01", nil, 1, "0"},
		{"dev-sender", patient + "?_since=2026-01-01", everything, 1, "6"},
		{"dev-sender", patient + "?_summary=count", nil, 1, "6"},
		{"dev-sender", request, around, 1, "2"},
		{"dev-sender", request + "?_count=2", around, 4, "2"},
		{"dev-recipient", request + "?_type=Task", []string{"5m", "6i"}, 1, "1"},
	} {
		got, pages := s.follow(test.key, test.target, row)
		if strings.HasPrefix(test.target, request) && !strings.Contains(test.target, "_type") && got[0] != "1m" {
			t.Errorf("%s: begins with %s", test.target, got[0])
		}
		slices.Sort(got) // ids of one submission have no order that a test knows
		if diff := cmp.Diff(test.want, got); diff != "" || pages != test.pages {
			t.Errorf("%s as %s: %d pages, want %d (-want +got):\n%s", test.target, test.key, pages, test.pages, diff)
		}
		w := s.get(test.key, test.target)
		if total := valid(t, w.Code, parse(t, w)).Get("total").Text(); total != test.total {
			t.Errorf("%s: got total %s, want %s", test.target, total, test.total)
		}
	}
	parameters := `{"resourceType":"Parameters","parameter":[{"name":"_type","valueCode":"Task"},{"name":"_count","valueInteger":2}]}`
	first := parse(t, s.do("dev-sender", http.MethodPost, patient, parameters, "Content-Type", "application/fhir+json"))
	rest, _ := s.follow("dev-sender", strings.TrimPrefix(link(first, "next"), "https://referral.example"), row)
	if got := append(rows(first, row), rest...); len(got) != 3 || len(rest) != 1 {
		t.Errorf("by POST: got %v and then %v", rows(first, row), rest)
	}
	if w := s.do("dev-sender", http.MethodPost, patient, ""); w.Code != http.StatusOK {
		t.Errorf("by POST without a body: got %d %s", w.Code, w.Body)
	}
}

func TestEverythingRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	own := s.settle(s.settlement(1)).Resources[0]
	deleted := s.settle(s.settlement(2)).Resources[0]
	s.revise(3, deleted, "")
	target := func(id string) string { return "/fhir/Patient/" + id + "/$everything" }
	absent := s.get("dev-other", target(referral.UUID{9}.String()))
	if err := same(s.get("dev-other", target(own.ID.String())), absent); err != nil || absent.Code != http.StatusNotFound {
		t.Errorf("another's differs from what is not there: %d, %v", absent.Code, err)
	}
	for _, test := range []struct {
		method, target, body string
		want                 int
	}{
		{"GET", target("1"), "", 404},
		{"GET", target(deleted.ID.String()), "", 410},
		{"GET", target(own.ID.String()) + "?start=2026-01-01", "", 400},
		{"GET", target(own.ID.String()) + "?_type=Synthetic", "", 400},
		{"GET", target(own.ID.String()) + "?_count=0", "", 400},
		{"GET", target(own.ID.String()) + "?_page=x", "", 400},
		{"GET", target(own.ID.String()) + "?_since=yesterday", "", 400},
		{"GET", target(own.ID.String()) + "?_format=xml", "", 406},
		{"POST", target(own.ID.String()), `{"resourceType":"Patient"}`, 400},
		{"POST", target(own.ID.String()), `{`, 400},
		{"POST", target(own.ID.String()), `{"resourceType":"Parameters","parameter":[{"name":"end","valueDate":"2026"}]}`, 400},
	} {
		w := s.do("dev-sender", test.method, test.target, test.body, "Content-Type", "application/fhir+json")
		if w.Code != test.want || parse(t, w).ResourceType() != "OperationOutcome" {
			t.Errorf("%s %s %s: got %d %s, want %d", test.method, test.target, test.body, w.Code, w.Body, test.want)
		}
	}
	if w := newServerOn(t, nowhere).get("dev-sender", target(own.ID.String())); w.Code != http.StatusServiceUnavailable {
		t.Errorf("without the store: got %d", w.Code)
	}
}
