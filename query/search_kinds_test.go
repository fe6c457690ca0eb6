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
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// put settles resources as submission n of the sender; content may refer to them as {0}, {1} and so on.
func (s *server) put(n int, readers []string, resources ...[2]string) []string {
	s.Helper()
	settlement := s.settlement(n, readers...)
	settlement.Resources = nil
	names := make([]string, len(resources))
	replace := make([]string, 0, 2*len(resources))
	ids := make([]referral.UUID, len(resources))
	for i, r := range resources {
		ids[i] = s.keys.ResourceID(sender, settlement.Digest, accepted, i)
		names[i] = r[0] + "/" + ids[i].String()
		replace = append(replace, fmt.Sprintf("{%d}", i), names[i])
	}
	settlement.Patient, settlement.Request = names[0], ""
	for i, r := range resources {
		content := strings.NewReplacer(replace...).Replace(r[1])
		resource, err := fhir.Parse([]byte(`{"resourceType":"`+r[0]+`",`+content+`}`), r[0], fhir.Limits{})
		if err != nil {
			s.Fatal(err)
		}
		settlement.Resources = append(settlement.Resources, postgres.Resource{
			ID: ids[i], Type: r[0], Readers: readers, Content: content,
			Keys: search.Index(resource, func(reference string) string { return reference }),
		})
	}
	s.settle(settlement)
	return names
}

// found returns the entries of a searchset as Type/id, in order.
func found(t testing.TB, bundle *fhir.Value) (matches, included []string) {
	t.Helper()
	entries := bundle.Get("entry").Items()
	for i := range entries {
		resource := entries[i].Get("resource")
		name := resource.ResourceType() + "/" + resource.Get("id").Text()
		if entries[i].At("search", "mode").Text() == "match" {
			matches = append(matches, name)
		} else {
			included = append(included, name)
		}
	}
	return matches, included
}

// family is a patient with a request, a Task for it and one that is part of it, an observation, and who asks.
func family(name, birth, status string) [][2]string {
	return [][2]string{
		{"Patient", `"name":[{"family":"` + name + `"}],"birthDate":"` + birth + `","identifier":[{"system":"mrn","value":"` + name + `"}]`},
		{"ServiceRequest", `"status":"active","subject":{"reference":"{0}"},"requester":{"reference":"{4}"},"supportingInfo":[{"reference":"{5}"}]`},
		{"Task", `"status":"` + status + `","for":{"reference":"{0}"},"focus":{"reference":"{1}"},"groupIdentifier":{"system":"g","value":"` + name + `"}`},
		{"Task", `"status":"draft","partOf":[{"reference":"{2}"}],"for":{"reference":"https://referral.example/fhir/{0}"}`},
		{"PractitionerRole", `"practitioner":{"reference":"{6}"},"organization":{"reference":"Organization/0199a000-0000-7000-8000-00000000dead"}`},
		{"Observation", `"status":"final","subject":{"reference":"{0}"},"effectiveDateTime":"` + birth + `"`},
		{"Practitioner", `"name":[{"family":"Doctor ` + name + `"}]`},
	}
}

func TestSearchAcrossReferences(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.put(1, []string{recipient}, family("Ames", "1950-01-01", "requested")...)
	b := s.put(2, nil, family("Bell", "1960-01-01", "completed")...)
	none := []string(nil)
	for _, test := range []struct {
		key, query        string
		matches, included []string
	}{
		{"dev-sender", "ServiceRequest?patient.identifier=mrn|Ames", a[1:2], none},
		{"dev-sender", "ServiceRequest?subject:Patient.name=ames", a[1:2], none},
		{"dev-sender", "ServiceRequest?patient.birthdate=lt1955", a[1:2], none},
		{"dev-sender", "ServiceRequest?patient.name:exact=ames", none, none},
		{"dev-sender", "ServiceRequest?requester:PractitionerRole.practitioner=" + b[6], b[1:2], none},
		{"dev-sender", "ServiceRequest?patient._id=" + strings.TrimPrefix(a[0], "Patient/"), a[1:2], none},
		{"dev-recipient", "ServiceRequest?patient.name=a,b", a[1:2], none},
		{"dev-other", "ServiceRequest?patient.name=a,b", none, none},
		{"dev-sender", "Patient?_has:Task:patient:status=completed", b[0:1], none},
		{"dev-sender", "Patient?_has:Task:patient:status=requested&family=bell", none, none},
		{"dev-sender", "Patient?_has:Observation:patient:date=1950", a[0:1], none},
		{"dev-sender", "ServiceRequest?_has:Task:focus:group-identifier=g|Bell", b[1:2], none},
		{"dev-recipient", "Patient?_has:Task:patient:status=completed,requested", a[0:1], none},
		{"dev-other", "Patient?_has:Task:patient:status=completed,requested", none, none},
		{"dev-sender", "ServiceRequest?patient.identifier=Ames&_include=ServiceRequest:patient&_include=ServiceRequest:requester", a[1:2], []string{a[0], a[4]}},
		{"dev-sender", "ServiceRequest?patient.identifier=Ames&_include=ServiceRequest:*", a[1:2], []string{a[0], a[4], a[5]}},
		{"dev-sender", "ServiceRequest?patient.identifier=Ames&_include=ServiceRequest:requester&_include:iterate=PractitionerRole:practitioner", a[1:2], []string{a[4], a[6]}},
		{"dev-sender", "ServiceRequest?patient.identifier=Ames&_include=ServiceRequest:requester:Organization", a[1:2], none},
		{"dev-sender", "Task?status=draft&_include=Task:patient", []string{b[3], a[3]}, []string{a[0], b[0]}},
		{"dev-sender", "Task?group-identifier=g|Ames&_revinclude=Task:part-of", a[2:3], a[3:4]},
		{"dev-sender", "Patient?identifier=Bell&_revinclude=Task:patient&_revinclude=Observation:patient", b[0:1], []string{b[2], b[5]}},
		{"dev-sender", "Patient?identifier=Bell&_revinclude=Task:patient&_revinclude:iterate=Task:part-of", b[0:1], []string{b[2], b[3]}},
		{"dev-recipient", "Patient?_revinclude=Task:focus&_revinclude=Task:patient", a[0:1], a[2:3]},
		{"dev-sender", "PractitionerRole?_include=PractitionerRole:organization", []string{b[4], a[4]}, none},
		{"dev-sender", "Patient?birthdate=ge1955", b[0:1], none},
		{"dev-sender", "Patient?birthdate=1950-01-01&family=ames", a[0:1], none},
		{"dev-sender", "Patient?_sort=family", []string{a[0], b[0]}, none},
		{"dev-sender", "Patient?_sort=-family", []string{b[0], a[0]}, none},
		{"dev-sender", "Task?_sort=status,-_lastUpdated", []string{b[2], b[3], a[3], a[2]}, none},
		{"dev-sender", "Patient?_sort=_lastUpdated", []string{a[0], b[0]}, none},
		{"dev-sender", "Patient?_sort=-_lastUpdated", []string{b[0], a[0]}, none},
		{"dev-sender", "Patient?_lastUpdated=gt2020", []string{b[0], a[0]}, none},
		{"dev-sender", "Patient?_lastUpdated=lt2020", none, none},
		{"dev-sender", "Patient?_lastUpdated=ge2020&_lastUpdated=lt2021", none, none},
	} {
		resourceType, query, _ := strings.Cut(test.query, "?")
		w := s.get(test.key, "/fhir/"+resourceType+"?"+escape(query))
		if w.Code != http.StatusOK {
			t.Errorf("%s %s: got %d %s", test.key, test.query, w.Code, w.Body)
			continue
		}
		matches, included := found(t, parse(t, w))
		slices.Sort(included)
		slices.Sort(test.included)
		if diff := cmp.Diff([2][]string{test.matches, test.included}, [2][]string{matches, included}); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.key, test.query, diff)
		}
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for n := range 5 {
		s.put(n+1, nil, family(fmt.Sprint("Family", n), "1950-01-01", "requested")...)
	}
	for query, want := range map[string][2]string{ // total and number of entries
		"Patient?_summary=count":                        {"5", "0"},
		"Patient?_count=0":                              {"5", "0"},
		"Patient?_total=accurate&_count=2":              {"5", "2"},
		"Patient?_total=estimate&_count=2":              {"5", "2"},
		"Patient?_total=none&_count=2":                  {"", "2"},
		"Patient?_count=2":                              {"", "2"},
		"Patient?_summary=count&family=family3":         {"1", "0"},
		"Task?_summary=count&status:not=requested":      {"5", "0"},
		"Patient?_total=accurate&birthdate=2000":        {"0", "0"},
		"Task?_total=accurate&patient=Patient/1&a=b":    {"0", "0"},
		"Patient?_total=accurate&_sort=family&_count=1": {"5", "1"},
	} {
		resourceType, query, _ := strings.Cut(query, "?")
		bundle := parse(t, s.get("dev-sender", "/fhir/"+resourceType+"?"+escape(query), "Prefer", "handling=lenient"))
		if got := [2]string{bundle.Get("total").Text(), fmt.Sprint(len(bundle.Get("entry").Items()))}; got != want {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
}

// TestSearchPagesInEveryOrder holds that pages of results that are filtered or sorted have each match once.
func TestSearchPagesInEveryOrder(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var want []string
	for n := range 25 {
		status := []string{"requested", "completed"}[n%2]
		want = append(want, s.put(n+1, nil, family(fmt.Sprintf("Family%02d", (n*7)%25), "1950-01-01", status)...)[2])
	}
	reversed := slices.Clone(want)
	slices.Reverse(reversed)
	byGroup := slices.Clone(want)
	slices.SortFunc(byGroup, func(a, b string) int { return slices.Index(want, a)*7%25 - slices.Index(want, b)*7%25 })
	for query, want := range map[string][]string{
		"status:not=draft":                                                      reversed,
		"status=completed,requested":                                            reversed,
		"status:not=draft&_sort=_lastUpdated":                                   want,
		"status:not=draft&_sort=group-identifier":                               byGroup,
		"group-identifier=g|Family07&status:not=draft":                          {want[1]},
		"_lastUpdated=gt2020&group-identifier:missing=false&_sort=_lastUpdated": want,
	} {
		var got []string
		for next := "/fhir/Task?_count=4&" + escape(query); next != ""; {
			w := s.get("dev-sender", next)
			if w.Code != http.StatusOK {
				t.Fatalf("%s: got %d %s", next, w.Code, w.Body)
			}
			bundle := parse(t, w)
			matches, _ := found(t, bundle)
			if len(matches) > 4 {
				t.Errorf("%s: got a page of %d", query, len(matches))
			}
			got = append(got, matches...)
			next = strings.TrimPrefix(link(bundle, "next"), "https://referral.example")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// TestSelfLinkTellsWhatWasUnderstood: the link itself finds the same.
func TestSelfLinkTellsWhatWasUnderstood(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.put(1, nil, family("Ames", "1950-01-01", "requested")...)
	const query = "colour=red&patient.name:exact=Ames&_has:Task:focus:status=requested&_include=ServiceRequest:patient&_sort=-authored&_total=accurate"
	w := s.get("dev-sender", "/fhir/ServiceRequest?"+escape(query), "Prefer", "handling=lenient")
	self, err := url.Parse(link(parse(t, w), "self"))
	if err != nil {
		t.Fatal(err)
	}
	values, _ := url.ParseQuery(query)
	values.Del("colour")
	if diff := cmp.Diff(values, self.Query()); diff != "" {
		t.Errorf("self link (-understood +got):\n%s", diff)
	}
	if again := s.get("dev-sender", self.RequestURI()); again.Body.String() != w.Body.String() {
		t.Errorf("the self link finds %s\nnot %s", again.Body, w.Body)
	}
}

// TestSortedPagesBySize has matches that are together larger than a page: each is shown once, in order.
func TestSortedPagesBySize(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	long := strings.Repeat("x", 40<<10)
	for i, name := range []string{"Cole", "Ames", "Egan", "Bell", "Dunn"} {
		s.put(i+1, nil, [2]string{"Patient", `"name":[{"family":"` + name + `","text":"` + long + `"}]`})
	}
	var got, pages []string
	for target := "/fhir/Patient?_sort=family"; target != ""; {
		bundle := parse(t, s.get("dev-sender", target))
		n := 0
		for _, entry := range bundle.Get("entry").Items() {
			names := entry.At("resource", "name").Items()
			got = append(got, names[0].Get("family").Text())
			n++
		}
		pages = append(pages, fmt.Sprint(n))
		target = strings.TrimPrefix(link(bundle, "next"), "https://referral.example")
	}
	if got, pages := strings.Join(got, " "), strings.Join(pages, " "); got != "Ames Bell Cole Dunn Egan" || pages != "2 2 1" {
		t.Errorf("got %q on pages of %s, want them in order on pages of 2 2 1", got, pages)
	}
}
