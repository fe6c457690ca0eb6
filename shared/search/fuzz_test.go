package search_test

import (
	"errors"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// FuzzParseCriterion holds, for a parameter of each type that ServiceRequest has, that a value is refused as one, or means a
// bounded number of keys, and that none of them fits a resource without the element.
func FuzzParseCriterion(f *testing.F) {
	for _, seed := range []struct{ name, modifier, value string }{
		{"authored", "", "ge2024-02-29T10:00:00.5+10:00"}, {"authored", "", "0000"}, {"authored", "", "ap9999-12-31"}, {"authored", "missing", "true"},
		{"code", "", `a|b,c\|d$e`}, {"code", "not", "|"}, {"code", "text", "%_%"}, {"identifier", "", "'; drop table resource; --"},
		{"patient", "", "Patient/" + patientID}, {"patient", "Patient", patientID}, {"patient", "identifier", "urn:x|1"}, {"subject", "", base + "Patient/1"},
		{"instantiates-uri", "", "urn:x"}, {"instantiates-canonical", "below", "http://a.example|1"},
	} {
		f.Add(seed.name, seed.modifier, seed.value)
	}
	bare := parse(f, `{"resourceType":"ServiceRequest"}`)
	f.Fuzz(func(t *testing.T, name, modifier, value string) {
		p, ok := search.Lookup("ServiceRequest", name)
		if !ok {
			return
		}
		c, err := search.ParseCriterion("ServiceRequest", p, modifier, value, base)
		if err != nil {
			if e, ok := errors.AsType[*fhir.Error](err); !ok || fhirhttp.Status(e)/100 != 4 {
				t.Errorf("got %v, want an *fhir.Error with a status of 4xx", err)
			}
			return
		}
		if len(c.Keys) > 200 {
			t.Errorf("%s:%s=%q means %d keys", name, modifier, value, len(c.Keys))
		}
		for _, k := range c.Keys {
			if k.Low > k.High {
				t.Errorf("%s:%s=%q has a range that ends before it begins", name, modifier, value)
			}
		}
		if c.Match(bare) && modifier != "missing" && modifier != "not" {
			t.Errorf("%s:%s=%q means a resource without anything", name, modifier, value)
		}
	})
}
