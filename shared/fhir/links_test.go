package fhir_test

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func TestLinks(t *testing.T) {
	const entries = `"entry":[
		{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"}},
		{"fullUrl":"https://a.example/fhir/Patient/2","resource":{"resourceType":"Patient"}},
		{"fullUrl":"https://a.example/fhir/Task/3","resource":{"resourceType":"Task"}},
		{"resource":{"resourceType":"Task"}}]`
	for _, test := range []struct {
		bundle    string
		from      int
		reference string
		want      int // -1: nowhere
	}{
		{"collection", 0, "urn:uuid:1", 0},
		{"collection", 2, "Patient/2", 1},
		{"collection", 2, "https://a.example/fhir/Patient/2", 1},
		{"collection", 0, "Patient/2", -1},
		{"collection", 3, "Patient/2", -1},
		{"collection", 2, "Patient/9", -1},
		{"collection", 2, "../Patient/2", -1},
		{"batch", 2, "Patient/2", -1},
		{"batch", 0, "urn:uuid:1", -1},
	} {
		v, err := fhir.Parse([]byte(`{"resourceType":"Bundle","type":"`+test.bundle+`",`+entries+`}`), "Bundle", fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, ok := fhir.AsBundle(v).Links().Entry(test.from, test.reference)
		if ok != (test.want >= 0) || ok && got != test.want {
			t.Errorf("%s in entry %d of a %s leads to %d, %v; want %d", test.reference, test.from, test.bundle, got, ok, test.want)
		}
	}
}

func TestIsRelative(t *testing.T) {
	for reference, want := range map[string]bool{
		"Patient/1": true, "Patient/a-b.C9": true, "ServiceRequest/01a2054a-cdf1-779d-ab97-b148a6bc39d8": true,
		"patient/1": false, "Patient": false, "Patient/": false, "/1": false, "Patient/1/2": false, "Patient/1?x": false,
		"Patient?identifier=1": false, "urn:uuid:1": false, "#1": false, "": false, "http://a/Patient/1": false,
	} {
		if got := fhir.IsRelative(reference); got != want {
			t.Errorf("IsRelative(%q) = %v, want %v", reference, got, want)
		}
	}
}
