package query_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// follow returns what each page's entries are, and how many pages there were.
func (s *server) follow(key, target string, of func(*fhir.Value) string) (all []string, pages int) {
	s.Helper()
	for next := target; next != ""; pages++ {
		w := s.get(key, next)
		if w.Code != http.StatusOK || pages > 50 {
			s.Fatalf("%s: got %d after %d pages: %s", next, w.Code, pages, w.Body)
		}
		bundle := parse(s, w)
		all = append(all, rows(bundle, of)...)
		next = strings.TrimPrefix(link(bundle, "next"), "https://referral.example")
	}
	return all, pages
}

// The history of a type and of the system has what the caller's submissions wrote, newest first, deletions among it.
func TestHistoryOfOwnWrites(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.settle(s.settlement(1, recipient)).Resources
	second := s.settle(s.settlement(2)).Resources
	updated := s.revise(3, first[0], `"active":true`)
	s.revise(4, updated, "")
	patient, request := "Patient/"+first[0].ID.String(), "ServiceRequest/"+first[1].ID.String()
	other, otherRequest := "Patient/"+second[0].ID.String(), "ServiceRequest/"+second[1].ID.String()
	all := []string{
		"DELETE " + patient + ` W/"3" 204 No Content`, "PUT " + patient + ` W/"2" 200 OK`,
		"POST " + other + ` W/"1" 201 Created`, "POST " + otherRequest + ` W/"1" 201 Created`,
		"POST " + patient + ` W/"1" 201 Created`, "POST " + request + ` W/"1" 201 Created`,
	}
	row := func(e *fhir.Value) string {
		return e.At("request", "method").Text() + " " + strings.TrimPrefix(e.Get("fullUrl").Text(), "https://referral.example/fhir/") + " " +
			e.At("response", "etag").Text() + " " + e.At("response", "status").Text()
	}
	patients := []string{all[0], all[1], all[2], all[4]}
	for _, test := range []struct {
		key, target string
		want        []string
		pages       int
	}{
		{"dev-sender", "/fhir/_history", all, 1},
		{"dev-sender", "/fhir/_history?_count=1", all, 6},
		{"dev-sender", "/fhir/_history?_count=4", all, 2},
		{"dev-sender", "/fhir/Patient/_history", patients, 1},
		{"dev-sender", "/fhir/Patient/_history?_count=3", patients, 2},
		{"dev-sender", "/fhir/Patient/_history?_since=2100-01-01", nil, 1},
		{"dev-sender", "/fhir/Task/_history", nil, 1},
		{"dev-recipient", "/fhir/_history", nil, 1},
		{"dev-other", "/fhir/Patient/_history", nil, 1},
	} {
		got, pages := s.follow(test.key, test.target, row)
		if diff := cmp.Diff(test.want, got); diff != "" || pages != test.pages {
			t.Errorf("%s as %s: %d pages, want %d (-want +got):\n%s", test.target, test.key, pages, test.pages, diff)
		}
	}
	next := strings.TrimPrefix(link(parse(t, s.get("dev-sender", "/fhir/_history?_count=1")), "next"), "https://referral.example")
	for name, request := range map[string]struct{ key, target string }{
		"another client": {"dev-recipient", next},
		"another type":   {"dev-sender", strings.Replace(next, "/_history", "/Patient/_history", 1)},
		"another count":  {"dev-sender", strings.Replace(next, "_count=1", "_count=2", 1)},
	} {
		if w := s.get(request.key, request.target); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", name, w.Code)
		}
	}
	if w := s.get("dev-sender", "/fhir/Unknown/_history"); w.Code != http.StatusNotFound {
		t.Errorf("an unknown type: got %d", w.Code)
	}
}

// A page ends with the version that passes the limit of bytes, and the next one goes on behind it.
func TestHistoryOfOwnWritesByBytes(t *testing.T) {
	t.Parallel()
	s := newServer(t) // pages of 64 KiB
	long := `"text":"` + strings.Repeat("a", 50<<10) + `"`
	var want []string
	for n := range 4 {
		r := s.settleThese(n, nil, `{"resourceType":"Basic","code":{`+long+`}}`)[0]
		want = append([]string{r.ID.String()}, want...)
	}
	got, pages := s.follow("dev-sender", "/fhir/Basic/_history", func(e *fhir.Value) string { return e.At("resource", "id").Text() })
	if diff := cmp.Diff(want, got); diff != "" || pages != 2 {
		t.Errorf("%d pages, want 2 (-want +got):\n%s", pages, diff)
	}
}
