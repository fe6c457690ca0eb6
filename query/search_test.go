package query_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

func TestSearchByEachParameter(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	one, two := s.settle(s.settlement(1, recipient)), s.settle(s.settlement(2))
	first, second := one.Resources[1].ID.String(), two.Resources[1].ID.String()
	patient := strings.TrimPrefix(one.Patient, "Patient/")
	for _, test := range []struct {
		key, query string
		want       []string // newest first
	}{
		{"dev-sender", "", []string{second, first}},
		{"dev-recipient", "", []string{first}},
		{"dev-other", "", nil},
		{"dev-sender", "identifier=http://example.org/mrn|SYN-1", []string{first}},
		{"dev-sender", "identifier=SYN-1", []string{first}},
		{"dev-sender", "identifier=SYN-1,SYN-2", []string{second, first}},
		{"dev-recipient", "identifier=SYN-1,SYN-2", []string{first}},
		{"dev-other", "identifier=SYN-1", nil},
		{"dev-sender", "identifier=|SYN-1", nil},
		{"dev-sender", "identifier=http://example.org/other|SYN-1", nil},
		{"dev-sender", "identifier=SYN-1&identifier=SYN-2", nil},
		{"dev-sender", "patient=" + patient, []string{first}},
		{"dev-sender", "patient=Patient/" + patient, []string{first}},
		{"dev-sender", "patient=https://referral.example/fhir/Patient/" + patient, []string{first}},
		{"dev-sender", "patient=https://elsewhere.example/fhir/Patient/" + patient, nil},
		{"dev-recipient", "patient=" + patient, []string{first}},
		{"dev-other", "patient=" + patient, nil},
		{"dev-sender", "patient=Group/" + patient, nil},
		{"dev-sender", "patient=" + patient + "&identifier=SYN-1", []string{first}},
		{"dev-sender", "patient=" + patient + "&identifier=SYN-2", nil},
		{"dev-sender", "_id=" + first, []string{first}},
		{"dev-sender", "_id=" + first + "," + second, []string{second, first}},
		{"dev-sender", "_id=" + first + "&_id=" + second, nil},
		{"dev-sender", "_id=" + first + "&identifier=SYN-1", []string{first}},
		{"dev-sender", "_id=7", nil},
		{"dev-sender", "_id=" + patient, nil},
		{"dev-recipient", "_id=" + second, nil},
	} {
		w := s.get(test.key, "/fhir/ServiceRequest?"+escape(test.query))
		byGet := w.Body.String()
		if got := ids(t, parse(t, w)); w.Code != http.StatusOK || !slices.Equal(got, test.want) {
			t.Errorf("%s %s: got %d %v, want %v", test.key, test.query, w.Code, got, test.want)
		}
		w = s.do(test.key, http.MethodPost, "/fhir/ServiceRequest/_search", escape(test.query), "Content-Type", form)
		if byGet != w.Body.String() {
			t.Errorf("%s %s: POST answers %s\nGET %s", test.key, test.query, w.Body, byGet)
		}
	}
}

// TestSearchByCodesAndReferences has what a recipient filters its work by: codes in each of their forms, and references.
func TestSearchByCodesAndReferences(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	settlement := s.settlement(1)
	order := &settlement.Resources[1]
	content := `"status":"active","intent":"order","priority":"urgent","category":[{"coding":[{"system":"http://example.org/c","code":"path"},{"code":"local"}]}],` +
		`"requisition":{"system":"http://example.org/g","value":"G-1"},"requester":{"reference":"PractitionerRole/` + requester + `"}`
	resource, err := fhir.Parse([]byte(`{"resourceType":"ServiceRequest",`+content+`}`), "ServiceRequest", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	order.Content, order.Keys = content, search.Index(resource, func(reference string) string { return reference })
	s.settle(settlement)
	s.settle(s.settlement(2))
	for query, want := range map[string]int{
		"status=active&priority=urgent":                        1,
		"priority=urgent":                                      1,
		"priority=routine":                                     0,
		"priority=routine,urgent":                              1,
		"priority=|urgent":                                     0, // it has the system of its value set
		"priority=http://example.org/c|urgent":                 0,
		"priority=http://hl7.org/fhir/request-priority|urgent": 1,
		"category=path":                                        1,
		"category=http://example.org/c|path":                   1,
		"category=|path":                                       0,
		"category=|local":                                      1,
		"category=http://example.org/c|local":                  0,
		"requisition=http://example.org/g|G-1":                 1,
		"requisition=G-2":                                      0,
		"requisition=G-1&priority=urgent":                      1,
		"priority=routine&requisition=G-1":                     0,
		"requester=PractitionerRole/" + requester:              1,
		"requester=" + requester:                               1,
		"requester=Practitioner/" + requester:                  0,
		"category=path&requester=" + requester:                 1,
		"category=imaging&requester=" + requester:              0,
		"performer=" + requester:                               0,
		"requester=" + requester + "&patient=none":             0,
	} {
		if got := ids(t, parse(t, s.get("dev-sender", "/fhir/ServiceRequest?"+escape(query)))); len(got) != want {
			t.Errorf("%s: got %v, want %d", query, got, want)
		}
		if got := ids(t, parse(t, s.get("dev-other", "/fhir/ServiceRequest?"+escape(query)))); len(got) != 0 {
			t.Errorf("%s by another organisation: got %v", query, got)
		}
	}
}

const requester = "0199a000-0000-7000-8000-000000000001"

func TestSearchConfirmsOnTheResource(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	settlement, collides := s.settlement(1), s.settlement(2)
	settlement.Resources[0].Keys = append(settlement.Resources[0].Keys, collides.Resources[0].Keys...)
	s.settle(settlement)
	for query, want := range map[string]int{"SYN-1": 1, "SYN-2": 0, "http://example.org/mrn|SYN-2": 0} {
		if got := ids(t, parse(t, s.get("dev-sender", "/fhir/Patient?identifier="+url.QueryEscape(query)))); len(got) != want {
			t.Errorf("identifier %s: got %v, want %d", query, got, want)
		}
	}
}

func TestSearchsetOfOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	patient := s.settle(s.settlement(1)).Resources[0]
	read := s.get("dev-sender", "/fhir/Patient/"+patient.ID.String())
	w := s.get("dev-sender", "/fhir/Patient?identifier=SYN-1&_count=5&_format=json")
	want := `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"https://referral.example/fhir/Patient?_count=5&identifier=SYN-1"}],` +
		`"entry":[{"fullUrl":"https://referral.example/fhir/Patient/` + patient.ID.String() + `","resource":` + read.Body.String() + `,"search":{"mode":"match"}}]}`
	if got := w.Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	none := s.get("dev-sender", "/fhir/Patient?identifier=none").Body.String()
	if want := `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"https://referral.example/fhir/Patient?identifier=none"}]}`; none != want {
		t.Errorf("nothing found: got %s, want %s", none, want)
	}
}

func TestSearchPagesMissNoneAndRepeatNone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var want []string
	for n := range 50 {
		want = append(want, s.settle(s.settlement(n)).Resources[0].ID.String())
	}
	slices.Reverse(want)
	values := make([]string, 50)
	for n := range values {
		values[n] = fmt.Sprintf("SYN-%d", n)
	}
	for _, query := range []string{"", "_count=7", "_count=50", "_count=1000", "identifier=" + strings.Join(values, ",") + "&_count=9"} {
		var got []string
		pages := 0
		for next := "/fhir/Patient?" + query; next != ""; pages++ {
			bundle := parse(t, s.get("dev-sender", next))
			got = append(got, ids(t, bundle)...)
			next = strings.TrimPrefix(link(bundle, "next"), "https://referral.example")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q in %d pages (-want +got):\n%s", query, pages, diff)
		}
	}
}

func TestSearchPagesAreCutBySize(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for n := range 5 {
		settlement := s.settlement(n)
		settlement.Resources[0].Content += `,"language":"` + strings.Repeat("x", 30<<10) + `"`
		s.settle(settlement)
	}
	bundle := parse(t, s.get("dev-sender", "/fhir/Patient"))
	if got := len(ids(t, bundle)); got != 3 || link(bundle, "next") == "" {
		t.Errorf("64 KiB of resources of 30 KiB: got %d and next %q, want the one that passes the limit to be the last", got, link(bundle, "next"))
	}
}

func TestPageTokenIsBoundToCallerAndSearch(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for n := range 3 {
		s.settle(s.settlement(n, recipient))
	}
	next, err := url.Parse(link(parse(t, s.get("dev-sender", "/fhir/Patient?_count=1")), "next"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.get("dev-sender", next.RequestURI()).Code; got != http.StatusOK {
		t.Fatalf("the link itself: got %d", got)
	}
	token := next.Query().Get("_page")
	flip := map[bool]string{true: "B", false: "A"}[token[3] == 'A']
	for name, request := range map[string]struct{ key, target string }{
		"another caller":   {"dev-recipient", next.RequestURI()},
		"another type":     {"dev-sender", "/fhir/ServiceRequest?_count=1&_page=" + token},
		"another count":    {"dev-sender", "/fhir/Patient?_count=2&_page=" + token},
		"another search":   {"dev-sender", "/fhir/Patient?_count=1&identifier=SYN-1&_page=" + token},
		"altered":          {"dev-sender", "/fhir/Patient?_count=1&_page=" + token[:3] + flip + token[4:]},
		"cut":              {"dev-sender", "/fhir/Patient?_count=1&_page=" + token[:11]},
		"not of this kind": {"dev-sender", "/fhir/Patient?_count=1&_page=2"},
	} {
		if w := s.get(request.key, request.target); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", name, w.Code)
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	s := newServerOn(t, nowhere)
	strict, lenient := []string{"Prefer", "return=minimal, handling=strict"}, []string{"Prefer", "handling=lenient"}
	for _, test := range []struct {
		query  string
		header []string
		code   fhir.Code
	}{
		{"colour=red", strict, fhir.CodeNotSupported},
		{"colour=red", nil, fhir.CodeNotSupported},
		{"colour:exact=red", nil, fhir.CodeNotSupported},
		{"identifier:exact=1", lenient, fhir.CodeNotSupported},
		{"identifier:missing=yes", nil, fhir.CodeValue},
		{"patient:Group=1", nil, fhir.CodeNotSupported},
		{"patient.colour=x", nil, fhir.CodeNotSupported},
		{"patient.identifier.system=x", nil, fhir.CodeNotSupported},
		{"status.code=x", nil, fhir.CodeNotSupported},
		{"supporting-info.code=x", nil, fhir.CodeNotSupported},
		{"subject:Task.status=x", nil, fhir.CodeNotSupported},
		{"_has:Task:focus=x", nil, fhir.CodeValue},
		{"_has:Task:status:code=x", nil, fhir.CodeNotSupported},
		{"_has:Colour:focus:code=x", nil, fhir.CodeNotSupported},
		{"_has:Task:focus:colour=x", nil, fhir.CodeNotSupported},
		{"_include=Task:focus", nil, fhir.CodeValue},
		{"_include=ServiceRequest:status", nil, fhir.CodeNotSupported},
		{"_include:recurse=ServiceRequest:patient", nil, fhir.CodeNotSupported},
		{"_revinclude=Task", nil, fhir.CodeNotSupported},
		{"_sort=colour", nil, fhir.CodeNotSupported},
		{"_sort=" + strings.Repeat("_id,", 8) + "_id", nil, fhir.CodeTooCostly},
		{strings.Repeat("_include=ServiceRequest:patient&", 20) + "_include=ServiceRequest:patient", nil, fhir.CodeTooCostly},
		{"_total=many", nil, fhir.CodeValue},
		{"authored=yesterday", nil, fhir.CodeValue},
		{"authored=2026-13", nil, fhir.CodeValue},
		{"_id:missing=true", nil, fhir.CodeNotSupported},
		{"identifier=", nil, fhir.CodeValue},
		{"identifier=a,,b", nil, fhir.CodeValue},
		{"_id=", nil, fhir.CodeValue},
		{"_id=" + strings.Repeat("1,", 100) + "1", nil, fhir.CodeTooCostly},
		{strings.Repeat("identifier=1&", 21), nil, fhir.CodeTooCostly},
		{"_count=-1", nil, fhir.CodeValue},
		{"_count=ten", nil, fhir.CodeValue},
		{"_count=1&_count=2", nil, fhir.CodeValue},
		{"_page=x", nil, fhir.CodeValue},
		{"a;b", nil, fhir.CodeValue},
		{"identifier=%zz", nil, fhir.CodeValue},
	} {
		w := s.get("dev-sender", "/fhir/ServiceRequest?"+test.query, test.header...)
		if got := parse(t, w).At("issue", "code").Text(); w.Code != http.StatusBadRequest || got != string(test.code) {
			t.Errorf("%s: got %d %s, want 400 %s", test.query, w.Code, got, test.code)
		}
	}
	w := s.get("dev-sender", "/fhir/ServiceRequest?colour=red", strict...)
	if got := parse(t, w).At("issue", "details", "text").Text(); !strings.Contains(got, "_tag, identifier, patient, authored") {
		t.Errorf("strict: got %q, want the names that are known", got)
	}
	for _, test := range []struct {
		contentType, body string
		want              int
	}{
		{"", "", 415},
		{"application/json", "{}", 415},
		{form, strings.Repeat("a", 65<<10), 413},
		{form, "a;b", 400},
		{form, "_format=xml", 406},
	} {
		if got := s.do("dev-sender", http.MethodPost, "/fhir/Patient/_search", test.body, "Content-Type", test.contentType).Code; got != test.want {
			t.Errorf("POST of %q, %d bytes: got %d, want %d", test.contentType, len(test.body), got, test.want)
		}
	}
}

// escape percent-encodes the values of a query.
func escape(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		panic(err)
	}
	return values.Encode()
}

// ids returns those of the entries of a searchset, whose fullUrl has to name them.
func ids(t testing.TB, bundle *fhir.Value) []string {
	t.Helper()
	var found []string
	for _, entry := range fhir.AsBundle(bundle).Entries {
		id := entry.Resource.Get("id").Text()
		if want := "https://referral.example/fhir/" + entry.Resource.ResourceType() + "/" + id; entry.FullURL != want {
			t.Errorf("fullUrl: got %q, want %q", entry.FullURL, want)
		}
		found = append(found, id)
	}
	return found
}

func link(bundle *fhir.Value, relation string) string {
	links := bundle.Get("link").Items()
	for i := range links {
		if links[i].Get("relation").Text() == relation {
			return links[i].Get("url").Text()
		}
	}
	return ""
}
