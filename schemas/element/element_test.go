package element_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func parse(t testing.TB, source string) *fhir.Value {
	t.Helper()
	v, err := fhir.Parse([]byte(source), "Resource", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const patient = `{"resourceType":"Patient","active":true,
	"_birthDate":{"extension":[{"url":"urn:absent","valueCode":"unknown"}]},
	"name":[{"family":"Example","given":["Ann",null,"Bea"],"_given":[null,{"id":"g"},{"extension":[{"url":"urn:x","valueString":"y"}]}]}],
	"deceasedDateTime":"2020-01-01","_deceasedDateTime":{"id":"d"},
	"multipleBirthInteger":2}`

func TestAllPairsPrimitivesWithTheirSiblings(t *testing.T) {
	name := element.Of(parse(t, patient)).Get("name")
	var got []string
	for i, given := range name.All("given") {
		got = append(got, fmt.Sprintf("%d %q value=%v sibling=%v", i, given.Text(), given.HasValue(), given.Sibling != nil))
	}
	want := []string{`0 "Ann" value=true sibling=false`, `1 "" value=false sibling=true`, `2 "Bea" value=true sibling=true`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSiblingAloneExists(t *testing.T) {
	e := element.Of(parse(t, patient))
	birthDate := e.Get("birthDate")
	if !birthDate.Exists() || birthDate.HasValue() || birthDate.Extension("urn:absent").Get("valueCode").Text() != "unknown" {
		t.Errorf("got birthDate exists=%v value=%v, want an element of extensions alone", birthDate.Exists(), birthDate.HasValue())
	}
	if e.Has("gender") || e.Get("gender").Extension("urn:absent").Exists() {
		t.Error("got a gender, want none")
	}
}

func TestChoice(t *testing.T) {
	e := element.Of(parse(t, patient))
	deceased, typ := e.Choice("deceased")
	if deceased.Text() != "2020-01-01" || typ != "DateTime" || deceased.Sibling.Get("id").Text() != "d" {
		t.Errorf("got %q of type %q, want the dateTime with its sibling", deceased.Text(), typ)
	}
	if _, typ := e.Choice("value"); typ != "" {
		t.Errorf("got value[x] of type %q, want none", typ)
	}
}

func TestChildren(t *testing.T) {
	var got []string
	for step := range element.Of(parse(t, patient)).Children() {
		got = append(got, fmt.Sprintf("%s %d", step.Name, step.Index))
	}
	want := []string{"resourceType -1", "active -1", "birthDate -1", "name 0", "deceasedDateTime -1", "multipleBirthInteger -1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const bundle = `{"resourceType":"Bundle","type":"collection","entry":[
	{"fullUrl":"http://a.example/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1","meta":{"versionId":"3"}}},
	{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Practitioner","contained":[{"resourceType":"Organization","id":"o"}]}},
	{"fullUrl":"http://a.example/fhir/Task/9","resource":{"resourceType":"Task","id":"9","contained":[{"resourceType":"Location","id":"l"}]}}]}`

func TestResolve(t *testing.T) {
	document := element.NewDocument(parse(t, bundle))
	from := document.Entry(2)
	for reference, want := range map[string]string{
		"Patient/1":                       "Patient",
		"http://a.example/fhir/Patient/1": "Patient",
		"Patient/1/_history/3":            "Patient",
		"Patient/1/_history/2":            "",
		"http://b.example/fhir/Patient/1": "",
		"Patient/2":                       "",
		"Patient?identifier=x":            "",
		"":                                "",
		"#l":                              "Location",
		"#":                               "Task",
		"#o":                              "",
		"urn:uuid:00000000-0000-4000-8000-000000000001":   "Practitioner",
		"urn:uuid:00000000-0000-4000-8000-000000000001#o": "Organization",
		"urn:uuid:00000000-0000-4000-8000-000000000002":   "",
	} {
		target, scope := from.Resolve(reference)
		if got := target.ResourceType(); got != want {
			t.Errorf("%q leads to %q, want %q", reference, got, want)
		}
		if target != nil && scope.Resource != target {
			t.Errorf("%q: the scope is not the target's", reference)
		}
	}
	// A contained resource refers to its siblings, and its root has the entry's place in the Bundle.
	_, inside := from.Resolve("#l")
	if back, _ := inside.Resolve("#"); back.ResourceType() != "Task" {
		t.Errorf("got %q, want the containing Task", back.ResourceType())
	}
	if target, _ := inside.Resolve("Patient/1"); target.ResourceType() != "Patient" {
		t.Error("a contained resource does not see the Bundle")
	}
	if target, _ := document.Root().Resolve("Patient/1"); target != nil {
		t.Error("outside of an entry a relative reference leads to an entry")
	}
}

func TestResolveOutsideABundle(t *testing.T) {
	document := element.NewDocument(parse(t, `{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o"}]}`))
	if target, _ := document.Root().Resolve("#o"); target.ResourceType() != "Organization" {
		t.Error("a contained resource is not found")
	}
	if target, _ := document.Root().Resolve("Organization/o"); target != nil {
		t.Error("a relative reference leads into contained")
	}
}
