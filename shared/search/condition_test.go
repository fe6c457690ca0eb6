package search_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

func TestConditionMatchesAll(t *testing.T) {
	const order = `{"resourceType":"ServiceRequest","identifier":[{"system":"http://example.org/order","value":"7"},{"value":"a b+c"}],` +
		`"subject":{"reference":"Patient/` + patientID + `"}}`
	for _, test := range []struct {
		name, query string
		want        bool
	}{
		{"one criterion", "identifier=http://example.org/order|7", true},
		{"percent-encoded", "identifier=http%3A%2F%2Fexample.org%2Forder%7C7", true},
		{"space and plus", "identifier=a+b%2Bc", true},
		{"an alternative", "identifier=8,7", true},
		{"two criteria", "identifier=7&patient=" + patientID, true},
		{"one parameter twice", "identifier=7&identifier=|a b%2Bc", true},
		{"one of two criteria fails", "identifier=7&patient=" + otherID, false},
		{"one parameter twice, one fails", "identifier=7&identifier=8", false},
		{"reference by its URL here", "patient=" + base + "Patient/" + patientID, true},
		{"reference to another type", "patient=Group/" + patientID, false},
		{"id", "_id=" + patientID, true},
		{"one of two ids", "_id=" + otherID + "," + patientID, true},
		{"id and criterion", "_id=" + patientID + "&identifier=7", true},
		{"id and a criterion that fails", "_id=" + patientID + "&identifier=8", false},
		{"both of two ids", "_id=" + otherID + "&_id=" + patientID, false},
		{"no id of this server", "_id=1", false},
		{"another id", "_id=" + otherID, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := condition(t, test.query)
			m := search.NewMemory[string](c)
			m.Put("it", patientID, parse(t, order))
			if got := len(m.Find(c)) == 1; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestParseConditionRefuses(t *testing.T) {
	for name, query := range map[string]string{
		"nothing":                "",
		"separators alone":       "&&",
		"broken percent":         "identifier=%zz",
		"a semicolon":            "identifier=a;patient=1",
		"unknown parameter":      "colour=red",
		"another type's":         "owner=Organization/1",
		"count":                  "identifier=7&_count=1",
		"format":                 "identifier=7&_format=json",
		"sort":                   "_sort=identifier&identifier=7",
		"a modifier":             "identifier:exact=7",
		"a chain":                "patient.identifier=7",
		"reverse chain":          "_has:Task:focus:_id=7",
		"id with a modifier":     "_id:not=" + patientID,
		"empty value":            "identifier=",
		"empty id":               "_id=",
		"system alone":           "identifier=http://example.org/order|",
		"many criteria":          strings.Repeat("identifier=7&", 21) + "identifier=7",
		"many alternatives":      "identifier=" + strings.Repeat("7,", 100) + "7",
		"many ids":               "_id=" + strings.Repeat(patientID+",", 100) + patientID,
		"a code that many share": "status=active",
		"one unknown of twenty":  strings.Repeat("identifier=7&", 19) + "name=Jane",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := search.ParseCondition("ServiceRequest", query, base)
			e, ok := errors.AsType[*fhir.Error](err)
			if !ok || fhirhttp.Status(e) != http.StatusBadRequest {
				t.Fatalf("got %v, want an *fhir.Error with status 400", err)
			}
			if query != "" && strings.Contains(e.Issues[0].Details, "Jane") {
				t.Errorf("a value is told: %s", e.Issues[0].Details)
			}
		})
	}
}

// TestRangesLeadToFewest: a patient has many orders, and an order number belongs to one of them.
func TestRangesLeadToFewest(t *testing.T) {
	token := func(system, code string) search.KeyRange {
		h := search.TokenHash("ServiceRequest", "identifier", system, code)
		return search.KeyRange{Low: h, High: h}
	}
	reference := search.ReferenceHash("ServiceRequest", "patient", "Patient/"+patientID)
	for _, test := range []struct {
		query string
		want  []search.KeyRange
	}{
		{"patient=" + patientID, []search.KeyRange{{Low: reference, High: reference}}},
		{"identifier=s|7&patient=" + patientID, []search.KeyRange{token("s", "7")}},
		{"patient=" + patientID + "&identifier=s|7,s|8", []search.KeyRange{token("s", "7"), token("s", "8")}},
		{"identifier=s|7,s|8&identifier=s|9", []search.KeyRange{token("s", "9")}},
		{"identifier=s|7&_id=" + patientID, nil},
		{"patient=Group/1", nil},
	} {
		if diff := cmp.Diff(test.want, condition(t, test.query).Ranges()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.query, diff)
		}
	}
}

func TestIsConditional(t *testing.T) {
	for _, test := range []struct {
		reference, resourceType, query string
		want                           bool
	}{
		{"Patient?identifier=http://example.org/mrn|A1", "Patient", "identifier=http://example.org/mrn|A1", true},
		{"Patient?identifier=a?b", "Patient", "identifier=a?b", true},
		{"Patient?", "Patient", "", true},
		{"Patient/1", "", "", false},
		{"Patient/1?identifier=a", "", "", false},
		{"https://example.org/fhir/Patient?identifier=a", "", "", false},
		{"urn:uuid:1?identifier=a", "", "", false},
		{"?identifier=a", "", "", false},
		{"#a", "", "", false},
		{"", "", "", false},
	} {
		resourceType, query, ok := search.IsConditional(test.reference)
		if ok != test.want || ok && (resourceType != test.resourceType || query != test.query) {
			t.Errorf("%q: got %q, %q, %v; want %q, %q, %v", test.reference, resourceType, query, ok, test.resourceType, test.query, test.want)
		}
	}
}

// FuzzParseCondition holds that every refusal is told to the caller as one, and that no condition means everything.
func FuzzParseCondition(f *testing.F) {
	for _, seed := range []string{"identifier=a|b", "patient=Patient/1&_id=1", "identifier=%7C", `identifier=a\,b`, "_id=,", "?"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		c, err := search.ParseCondition("Task", query, base)
		if err != nil {
			if e, ok := errors.AsType[*fhir.Error](err); !ok || fhirhttp.Status(e) != http.StatusBadRequest {
				t.Errorf("got %v, want an *fhir.Error with status 400", err)
			}
			return
		}
		m := search.NewMemory[string](c)
		m.Put("it", otherID, parse(t, `{"resourceType":"Task"}`))
		if len(m.Find(c)) > 0 && !strings.Contains(query, "_id") {
			t.Errorf("%q means a resource without anything", query)
		}
		c.Ranges()
	})
}

func condition(t testing.TB, query string) search.Condition {
	t.Helper()
	c, err := search.ParseCondition("ServiceRequest", query, base)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
