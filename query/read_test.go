package query_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestReadServesWhatWasWritten(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	request := s.settle(s.settlement(1, recipient)).Resources[1]
	target := "/fhir/ServiceRequest/" + request.ID.String()
	w := s.get("dev-sender", target)
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	modified, err := time.Parse(time.RFC3339, parse(t, w).At("meta", "lastUpdated").Text())
	if err != nil {
		t.Error(err)
	}
	want := `{"resourceType":"ServiceRequest","id":"` + request.ID.String() + `","meta":{"versionId":"1","lastUpdated":"` +
		modified.Format("2006-01-02T15:04:05.000Z") + `","profile":["http://example.org/profile"]},` + request.Content + `}`
	if got := w.Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, want := range map[string]string{
		"ETag": `W/"1"`, "Last-Modified": modified.Format(http.TimeFormat), "Content-Type": "application/fhir+json; charset=utf-8",
		"Cache-Control": "no-store",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := s.do("dev-sender", http.MethodHead, target, ""); got.Code != http.StatusOK || got.Header().Get("ETag") != `W/"1"` {
		t.Errorf("HEAD: got %d", got.Code)
	}
	for tag, want := range map[string]int{
		`W/"1"`: 304, `"1"`: 304, `*`: 304, `W/"7", W/"1"`: 304, `W/"2"`: 200, `W/"11"`: 200, `1`: 200,
	} {
		w := s.get("dev-sender", target, "If-None-Match", tag)
		if w.Code != want || want == 304 && (w.Body.Len() != 0 || w.Header().Get("ETag") != `W/"1"`) {
			t.Errorf("If-None-Match %s: got %d with %d bytes, want %d", tag, w.Code, w.Body.Len(), want)
		}
	}
}

func TestReadOfAnothersIsAsOfNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	addressed := s.settle(s.settlement(1, recipient)).Resources[0].ID.String()
	own := s.settle(s.settlement(2)).Resources[0].ID.String()
	absent := s.get("dev-other", "/fhir/Patient/"+referral.UUID{9}.String())
	if absent.Code != http.StatusNotFound || parse(t, absent).At("issue", "code").Text() != "not-found" {
		t.Fatalf("got %d %s, want 404 not-found", absent.Code, absent.Body)
	}
	for _, test := range []struct {
		key, target string
		found       bool
	}{
		{"dev-sender", "/fhir/Patient/" + addressed, true},
		{"dev-recipient", "/fhir/Patient/" + addressed, true},
		{"dev-other", "/fhir/Patient/" + addressed, false},
		{"dev-sender", "/fhir/Patient/" + own, true},
		{"dev-recipient", "/fhir/Patient/" + own, false},
		{"dev-sender", "/fhir/Task/" + own, false},
		{"dev-sender", "/fhir/Patient/" + strings.ToUpper(own), false},
		{"dev-sender", "/fhir/Patient/7", false},
		{"dev-sender", "/fhir/Patient/%00", false},
		{"dev-sender", "/fhir/Patient/'%20or%20true--", false},
	} {
		w := s.get(test.key, test.target)
		if test.found && w.Code != http.StatusOK {
			t.Errorf("%s as %s: got %d", test.target, test.key, w.Code)
		}
		if !test.found {
			if err := same(w, absent); err != nil {
				t.Errorf("%s as %s differs from absent: %v", test.target, test.key, err)
			}
		}
	}
}

func TestUnknownTypeIs404NotSupported(t *testing.T) {
	s := newServerOn(t, nowhere)
	for _, target := range []string{"/fhir/Referral/1", "/fhir/Referral", "/fhir/patient", "/fhir/Referral?_id=1"} {
		w := s.get("dev-sender", target)
		if got := parse(t, w).At("issue", "code").Text(); w.Code != http.StatusNotFound || got != "not-supported" {
			t.Errorf("%s: got %d %s, want 404 not-supported", target, w.Code, got)
		}
	}
}

func TestReadsWithoutStoreAre503(t *testing.T) {
	s := newServerOn(t, nowhere)
	id := s.id(s.settlement(1), sender)
	for _, target := range []string{"/fhir/Patient/" + referral.UUID{1}.String(), "/fhir/Patient", "/fhir/Patient?identifier=1", "/referrals/" + id} {
		w := s.get("dev-sender", target)
		if got := parse(t, w).At("issue", "code").Text(); w.Code != http.StatusServiceUnavailable || got != "transient" || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s, Retry-After %q", target, w.Code, got, w.Header().Get("Retry-After"))
		}
	}
}
