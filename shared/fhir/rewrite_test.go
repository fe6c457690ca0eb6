package fhir_test

import (
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func TestMembersKeepsWhatItDoesNotReplace(t *testing.T) {
	in := `{"resourceType":"Observation","id":"x", "valueQuantity" : {"value": 1.10, "unit":"\u006dg"},
	"subject":{"reference":"urn:uuid:1","display":"urn:uuid:1"},"given":["a",null,"urn:uuid:1"],"_given":[null,{"id":"1"},null],"last":true}`
	v, err := fhir.Parse([]byte(in), "Bundle", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got := v.Members(func(name, text string) (string, bool) {
		return "Patient/\"1\\\n<é", text == "urn:uuid:1" && name != "display"
	}, "resourceType", "id")
	want := `"valueQuantity":{"value":1.10,"unit":"\u006dg"},"subject":{"reference":"Patient/\"1\\\n<é","display":"urn:uuid:1"},` +
		`"given":["a",null,"Patient/\"1\\\n<é"],"_given":[null,{"id":"1"},null],"last":true`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := v.Get("missing").Members(nil); got != "" {
		t.Errorf("got %q for an absent value, want nothing", got)
	}
}

func TestWalkNamesEveryString(t *testing.T) {
	v, err := fhir.Parse([]byte(`{"a":"1","b":[{"c":"2"},{"c":["3","4"]}],"_d":{"e":"5"},"n":6}`), "Bundle", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	v.Walk("X", func(name, path string, s *fhir.Value) { got = append(got, name+" "+path+" "+s.Text()) })
	want := "a X.a 1|c X.b[0].c 2|c X.b[1].c[0] 3|c X.b[1].c[1] 4|e X.d.e 5"
	if joined := strings.Join(got, "|"); joined != want {
		t.Errorf("got  %s\nwant %s", joined, want)
	}
}
