package query_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// settleThese settles documents as submission n. In their text {0}, {1} stand for the ids of the first, the second.
func (s *server) settleThese(n int, readers []string, documents ...string) []postgres.Resource {
	s.Helper()
	settlement := s.settlement(n, readers...)
	settlement.Resources, settlement.Request, settlement.Patient = nil, "", ""
	for i := range documents {
		settlement.Resources = append(settlement.Resources, postgres.Resource{ID: s.keys.ResourceID(sender, settlement.Digest, accepted, i)})
	}
	for i, document := range documents {
		for j, r := range settlement.Resources {
			document = strings.ReplaceAll(document, "{"+strconv.Itoa(j)+"}", r.ID.String())
		}
		resource, err := fhir.Parse([]byte(document), "", fhir.Limits{})
		if err != nil {
			s.Fatal(err)
		}
		r := &settlement.Resources[i]
		r.Type, r.Readers, r.Keys = resource.ResourceType(), readers, search.Index(resource, func(reference string) string { return reference })
		asWritten := func(string, string) (string, bool) { return "", false }
		r.Meta, r.Content = resource.Get("meta").Members(asWritten), resource.Members(asWritten, "resourceType", "id", "meta")
	}
	return s.settle(settlement).Resources
}

var validator = sync.OnceValue(func() *schemas.Validator { return schemas.New(schemas.Config{}) })

// valid returns the body of a 200 as a document that our own validator accepts.
func valid(t testing.TB, code int, v *fhir.Value) *fhir.Value {
	t.Helper()
	if code != http.StatusOK {
		t.Errorf("got %d", code)
	}
	for _, issue := range validator().Check(v, "") {
		if issue.Fails() {
			t.Errorf("%s at %s: %s", issue.Code, issue.Expression, issue.Details)
		}
	}
	return v
}

// shaped has elements of every kind: mandatory and not, in the summary and not, a choice, a narrative, contained.
const shaped = `{"resourceType":"DocumentReference","meta":{"tag":[{"system":"http://example.org/tags","code":"a"}]},
	"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Synthetic</div>"},
	"contained":[{"resourceType":"Practitioner","id":"p","name":[{"family":"Synthetic"}]},{"resourceType":"Organization","id":"o","name":"Synthetic"}],
	"identifier":[{"value":"1"}],"status":"current","_status":{"extension":[{"url":"http://example.org/s","valueCode":"x"}]},
	"author":[{"reference":"#p"}],"custodian":{"reference":"#o"},
	"content":[{"attachment":{"contentType":"text/plain","data":"AAAA"}}]}`

func TestSummaryAndElements(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	target := "/fhir/DocumentReference/" + s.settleThese(1, nil, shaped)[0].ID.String()
	always := []string{"resourceType", "id", "meta"}
	for query, want := range map[string]struct {
		members   []string // beside those that are always there
		contained string   // ids
		attached  bool     // the attachment's data is there
	}{
		"_summary=false":             {[]string{"text", "contained", "identifier", "status", "_status", "author", "custodian", "content"}, "p o", true},
		"_summary=true":              {[]string{"identifier", "status", "_status", "author", "content", "contained"}, "p", false},
		"_summary=text":              {[]string{"text", "status", "_status", "content"}, "", true},
		"_summary=data":              {[]string{"identifier", "status", "_status", "author", "custodian", "content", "contained"}, "p o", true},
		"_elements=identifier":       {[]string{"identifier", "status", "_status", "content"}, "", true},
		"_elements=custodian,author": {[]string{"status", "_status", "author", "custodian", "content", "contained"}, "p o", true},
		"_elements=DocumentReference.custodian&_elements=Patient.identifier": {[]string{"status", "_status", "custodian", "content", "contained"}, "o", true},
	} {
		for _, address := range []string{target, target + "/_history/1"} {
			w := s.get("dev-sender", address+"?"+query)
			resource := valid(t, w.Code, parse(t, w))
			var members, contained []string
			for i := range resource.Items() {
				members = append(members, resource.Items()[i].Name())
			}
			inside := resource.Get("contained").Items()
			for i := range inside {
				contained = append(contained, inside[i].Get("id").Text())
			}
			if diff := cmp.Diff(append(always[:3:3], want.members...), members); diff != "" || strings.Join(contained, " ") != want.contained {
				t.Errorf("%s: contained %v, want %s; members (-want +got):\n%s", query, contained, want.contained, diff)
			}
			if got := resource.At("content", "attachment", "data") != nil; got != want.attached {
				t.Errorf("%s: attachment's data is there: %v", query, got)
			}
			if got := strings.Contains(w.Body.String(), `"code":"SUBSETTED"`); got != (query != "_summary=false") {
				t.Errorf("%s: tagged SUBSETTED: %v", query, got)
			}
			if resource.At("meta", "tag").Items()[0].Get("code").Text() != "a" || resource.At("meta", "versionId").Text() != "1" {
				t.Errorf("%s: meta is not as it was: %s", query, w.Body)
			}
			if w.Header().Get("ETag") != `W/"1"` {
				t.Errorf("%s: got ETag %s", query, w.Header().Get("ETag"))
			}
		}
	}
}

// Searches show resources as reads do, on every page, whether their parameters are in the URL or in a form.
func TestSearchObeysSummaryAndElements(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for n := range 3 {
		s.settle(s.settlement(n))
	}
	members := func(e *fhir.Value) string {
		names := ""
		for i := range e.Get("resource").Items() {
			names += e.Get("resource").Items()[i].Name() + " "
		}
		return names
	}
	const short = "resourceType id meta identifier "
	want := []string{short, short, short}
	got, pages := s.follow("dev-sender", "/fhir/Patient?_summary=true&_count=2", members)
	if diff := cmp.Diff(want, got); diff != "" || pages != 2 {
		t.Errorf("%d pages, want 2 (-want +got):\n%s", pages, diff)
	}
	w := s.do("dev-sender", http.MethodPost, "/fhir/Patient/_search", "_elements=identifier", "Content-Type", form, "Prefer", "handling=strict")
	if diff := cmp.Diff(want, rows(parse(t, w), members)); diff != "" {
		t.Errorf("by POST (-want +got):\n%s", diff)
	}
	for _, query := range []string{"_summary=all", "_summary=text&_elements=name"} {
		if w := s.get("dev-sender", "/fhir/Patient?"+query); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", query, w.Code)
		}
	}
}

func TestParametersOfReads(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	id := s.settle(s.settlement(1)).Resources[0].ID.String()
	for _, test := range []struct {
		target string
		strict bool
		want   int
	}{
		{"/fhir/Patient/" + id + "?_summary=count", false, 400},
		{"/fhir/Patient/" + id + "?_summary=all", false, 400},
		{"/fhir/Patient/" + id + "?_summary=text&_elements=name", false, 400},
		{"/fhir/Patient/" + id + "?_summary=false&_elements=name", false, 200},
		{"/fhir/Patient/" + id + "?_summary=", false, 200},
		{"/fhir/Patient/" + id + "?_format=json&_pretty=true&_summary=true", true, 200},
		{"/fhir/Patient/" + id + "?color=red", false, 200},
		{"/fhir/Patient/" + id + "?color=red", true, 400},
		{"/fhir/Patient/" + id + "?%zz", false, 400},
		{"/fhir/Patient/" + id + "?_format=xml", false, 406},
		{"/fhir/Patient/" + id + "/_history/1?_format=xml", false, 406},
		{"/fhir/Patient/" + id + "/_history?_elements=active&_pretty=true", true, 200},
		{"/fhir/Patient/" + id + "/_history?_summary=count", true, 200},
		{"/fhir/Patient/" + id + "/_history?_at=2026", false, 400},
		{"/fhir/Patient/" + id + "/_history?_count=0", false, 400},
		{"/fhir/Patient/_history?_summary=count", false, 400},
		{"/fhir/_history?color=red", true, 400},
	} {
		header := []string{"Prefer", "handling=lenient"}
		if test.strict {
			header[1] = "handling=strict"
		}
		w := s.get("dev-sender", test.target, header...)
		if w.Code != test.want || test.want >= 400 && parse(t, w).ResourceType() != "OperationOutcome" {
			t.Errorf("%s, strict %v: got %d, want %d\n%s", test.target, test.strict, w.Code, test.want, w.Body)
		}
	}
	w := s.get("dev-sender", "/fhir/Patient/"+id+"?_pretty=true")
	if got := w.Body.String(); !strings.HasPrefix(got, "{\n  \"resourceType\": \"Patient\",\n") {
		t.Errorf("pretty: got %s", got)
	}
	if bundle := parse(t, s.get("dev-sender", "/fhir/Patient/"+id+"/_history?_summary=count")); bundle.Get("total").Text() != "1" || bundle.Get("entry") != nil {
		t.Errorf("a history counted: got total %s", bundle.Get("total").Text())
	}
	entry := parse(t, s.get("dev-sender", "/fhir/Patient/"+id+"/_history?_elements=identifier")).At("entry", "resource")
	if entry.Get("identifier") == nil || entry.Get("multipleBirthInteger") != nil {
		t.Error("a history does not obey _elements")
	}
}

func TestBinary(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	target := "/fhir/Binary/" + s.settleThese(1, nil, `{"resourceType":"Binary","contentType":"text/html","data":"PGI+ PC9i Pg=="}`)[0].ID.String()
	for _, test := range []struct {
		accept, contentType string
		status              int
	}{
		{"", "application/fhir+json; charset=utf-8", 200},
		{"*/*", "application/fhir+json; charset=utf-8", 200},
		{"application/fhir+json", "application/fhir+json; charset=utf-8", 200},
		{"text/html, application/fhir+json", "application/fhir+json; charset=utf-8", 200},
		{"text/html", "text/html", 200},
		{"text/*", "text/json; charset=utf-8", 200},
		{"text/html, application/xhtml+xml, */*;q=0.8", "text/html", 200},
		{"image/png", "application/fhir+json; charset=utf-8", 406},
	} {
		for _, address := range []string{target, target + "/_history/1"} {
			w := s.get("dev-sender", address, "Accept", test.accept)
			if w.Code != test.status || w.Header().Get("Content-Type") != test.contentType {
				t.Errorf("Accept: %s: got %d %s", test.accept, w.Code, w.Header().Get("Content-Type"))
				continue
			}
			raw := test.contentType == "text/html"
			if got := w.Header().Get("Content-Disposition"); (got == "attachment") != raw {
				t.Errorf("Accept: %s: got Content-Disposition %q", test.accept, got)
			}
			if raw && (w.Body.String() != "<b></b>" || w.Header().Get("X-Content-Type-Options") != "nosniff" ||
				w.Header().Get("Content-Security-Policy") != "default-src 'none'; sandbox" || w.Header().Get("ETag") != `W/"1"`) {
				t.Errorf("Accept: %s: got %q with %v", test.accept, w.Body, w.Header())
			}
		}
	}
	if w := s.get("dev-other", target, "Accept", "text/html"); w.Code != 404 {
		t.Errorf("another's: got %d", w.Code)
	}
	if w := s.get("dev-sender", target, "Accept", "text/html", "If-None-Match", `W/"1"`); w.Code != 304 {
		t.Errorf("one that the caller has: got %d", w.Code)
	}
}
