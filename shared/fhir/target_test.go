package fhir_test

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func TestParseTarget(t *testing.T) {
	for url, want := range map[string]fhir.Target{
		"Patient":                         {Type: "Patient"},
		"/Patient":                        {Type: "Patient"},
		"Patient?":                        {Type: "Patient", Conditional: true},
		"Patient?identifier=http://a/b|1": {Type: "Patient", Query: "identifier=http://a/b|1", Conditional: true},
		"Patient?identifier=a?b":          {Type: "Patient", Query: "identifier=a?b", Conditional: true},
		"Patient/1":                       {Type: "Patient", ID: "1"},
		"/Patient/a-b.C9":                 {Type: "Patient", ID: "a-b.C9"},
		"Patient/1?_pretty=true":          {Type: "Patient", ID: "1", Query: "_pretty=true", Conditional: true},
		"Patient/1/_history/2":            {Type: "Patient", ID: "1", Version: "2"},
	} {
		if got, ok := fhir.ParseTarget(url); !ok || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", url, got, ok, want)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	for _, url := range []string{
		"", "/", "//Patient", "Patient/", "Patient//1", "patient/1", "Patient/_search", "Patient/$everything", "$process-message",
		"_history", "Patient/_history", "Patient/1/_history", "Patient/1/_history/", "Patient/1/_history/a_b", "Patient/1/$everything/2",
		"Patient/1/_history/2/3", "Patient/1/", "https://a.example/fhir/Patient/1", "urn:uuid:1", "?identifier=1", "../Patient/1", "Patient/%31",
	} {
		if got, ok := fhir.ParseTarget(url); ok {
			t.Errorf("%q: got %+v, want none", url, got)
		}
	}
}
