package query_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// versions are those of a patient that was created, updated and deleted.
func (s *server) versions() string {
	s.Helper()
	r := s.settle(s.settlement(1, recipient)).Resources[0]
	r = s.revise(2, r, `"active":true`)
	s.revise(3, r, "")
	return r.ID.String()
}

func TestReadOfDeletedIs410(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	id := s.versions()
	for target, want := range map[string]struct {
		status int
		etag   string
		holds  string
	}{
		"/fhir/Patient/" + id:                                        {410, `W/"3"`, `"deleted"`},
		"/fhir/Patient/" + id + "/_history/3":                        {410, `W/"3"`, `"deleted"`},
		"/fhir/Patient/" + id + "/_history/2":                        {200, `W/"2"`, `"active":true`},
		"/fhir/Patient/" + id + "/_history/1":                        {200, `W/"1"`, `"multipleBirthInteger":1`},
		"/fhir/Patient/" + id + "/_history/4":                        {404, "", `"not-found"`},
		"/fhir/Patient/" + id + "/_history/0":                        {404, "", `"not-found"`},
		"/fhir/Patient/" + id + "/_history/-1":                       {404, "", `"not-found"`},
		"/fhir/Task/" + id + "/_history/1":                           {404, "", `"not-found"`},
		"/fhir/Patient/" + referral.UUID{9}.String() + "/_history/1": {404, "", `"not-found"`},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := s.do("dev-sender", method, target, "")
			if w.Code != want.status || w.Header().Get("ETag") != want.etag || !strings.Contains(w.Body.String(), want.holds) {
				t.Errorf("%s %s: got %d, ETag %s, %s", method, target, w.Code, w.Header().Get("ETag"), w.Body)
			}
			if want.etag != "" && w.Header().Get("Last-Modified") == "" {
				t.Errorf("%s %s: no Last-Modified", method, target)
			}
		}
		if want.status == 404 {
			continue
		}
		if w := s.get("dev-other", target); w.Code != http.StatusNotFound {
			t.Errorf("%s as another: got %d, want 404", target, w.Code)
		}
	}
	if w := s.get("dev-sender", "/fhir/Patient/"+id+"/_history/2", "If-None-Match", `W/"2"`); w.Code != http.StatusNotModified {
		t.Errorf("a version that the client has: got %d, want 304", w.Code)
	}
}

func TestConditionalRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	target := "/fhir/Patient/" + s.settle(s.settlement(1)).Resources[0].ID.String()
	modified := s.get("dev-sender", target).Header().Get("Last-Modified")
	for _, test := range []struct {
		header []string
		want   int
	}{
		{[]string{"If-Modified-Since", modified}, 304},
		{[]string{"If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"}, 304},
		{[]string{"If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"}, 200},
		{[]string{"If-Modified-Since", "yesterday"}, 200},
		{[]string{"If-Modified-Since", modified, "If-None-Match", `W/"2"`}, 200},
		{[]string{"If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT", "If-None-Match", `W/"1"`}, 304},
	} {
		if w := s.get("dev-sender", target, test.header...); w.Code != test.want || test.want == 304 && w.Body.Len() > 0 {
			t.Errorf("%v: got %d, want %d", test.header, w.Code, test.want)
		}
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	id := s.versions()
	w := s.get("dev-sender", "/fhir/Patient/"+id+"/_history")
	bundle := parse(t, w)
	type row struct{ method, url, status, etag, version, full string }
	want := []row{
		{"DELETE", "Patient/" + id, "204 No Content", `W/"3"`, "", "https://referral.example/fhir/Patient/" + id},
		{"PUT", "Patient/" + id, "200 OK", `W/"2"`, "2", "https://referral.example/fhir/Patient/" + id},
		{"POST", "Patient", "201 Created", `W/"1"`, "1", "https://referral.example/fhir/Patient/" + id},
	}
	if diff := cmp.Diff(want, rows[row](bundle, func(e *fhir.Value) row {
		return row{e.At("request", "method").Text(), e.At("request", "url").Text(), e.At("response", "status").Text(),
			e.At("response", "etag").Text(), e.At("resource", "meta", "versionId").Text(), e.Get("fullUrl").Text()}
	}), cmp.AllowUnexported(row{})); diff != "" || bundle.Get("type").Text() != "history" || bundle.Get("total").Text() != "3" {
		t.Errorf("got %s (-want +got):\n%s", w.Body, diff)
	}
	for _, issue := range schemas.New(schemas.Config{}).Check(bundle, "") {
		if issue.Fails() && !strings.Contains(issue.Expression, "resource") { // those of the test are no patients
			t.Errorf("%s at %s: %s", issue.Code, issue.Expression, issue.Details)
		}
	}
	absent := s.get("dev-other", "/fhir/Patient/"+referral.UUID{9}.String()+"/_history")
	if err := same(s.get("dev-other", "/fhir/Patient/"+id+"/_history"), absent); err != nil || absent.Code != http.StatusNotFound {
		t.Errorf("another's differs from what is not there: %d, %v", absent.Code, err)
	}
}

// A client that follows the links has each version once; their tokens are of no use to another or elsewhere.
func TestHistoryPages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := s.settle(s.settlement(1, recipient)).Resources[0]
	for n := range 6 {
		r = s.revise(2+n, r, `"active":true`)
	}
	base := "/fhir/Patient/" + r.ID.String() + "/_history"
	for query, pages := range map[string]int{"": 1, "?_count=3": 3, "?_count=7": 1, "?_count=1000": 1, "?_count=3&_since=2026-01-01": 3} {
		var got []string
		n := 0
		for next := base + query; next != ""; n++ {
			bundle := parse(t, s.get("dev-sender", next))
			got = append(got, rows(bundle, func(e *fhir.Value) string { return e.At("resource", "meta", "versionId").Text() })...)
			if total := bundle.Get("total").Text(); total != "7" {
				t.Errorf("%q: got total %s, want 7", query, total)
			}
			next = strings.TrimPrefix(link(bundle, "next"), "https://referral.example")
		}
		if diff := cmp.Diff([]string{"7", "6", "5", "4", "3", "2", "1"}, got); diff != "" || n != pages {
			t.Errorf("%q: %d pages, want %d (-want +got):\n%s", query, n, pages, diff)
		}
	}
	if bundle := parse(t, s.get("dev-sender", base+"?_since=2100-01-01")); bundle.Get("total").Text() != "0" || bundle.Get("entry") != nil {
		t.Errorf("since later: got total %s", bundle.Get("total").Text())
	}
	next, err := url.Parse(link(parse(t, s.get("dev-sender", base+"?_count=3")), "next"))
	if err != nil {
		t.Fatal(err)
	}
	token := next.Query().Get("_page")
	for name, request := range map[string]struct{ key, target string }{
		"another client":   {"dev-recipient", next.RequestURI()},
		"another count":    {"dev-sender", base + "?_count=4&_page=" + token},
		"another resource": {"dev-sender", "/fhir/Patient/" + referral.UUID{9}.String() + "/_history?_count=3&_page=" + token},
		"a search":         {"dev-sender", "/fhir/Patient?_count=3&_page=" + token},
	} {
		if w := s.get(request.key, request.target); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", name, w.Code)
		}
	}
}

// rows makes one of each entry.
func rows[T any](bundle *fhir.Value, of func(*fhir.Value) T) []T {
	var all []T
	entries := bundle.Get("entry").Items()
	for i := range entries {
		all = append(all, of(&entries[i]))
	}
	return all
}
