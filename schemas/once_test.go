package schemas_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// TestCheckTellsOneFaultOnce has documents with one fault that several layers, profiles or references come upon.
func TestCheckTellsOneFaultOnce(t *testing.T) {
	const (
		nameless = `{"fullUrl":"urn:uuid:5b0fd0a5-0001-4a4e-9d3a-2f1f5a0e0001","resource":{"resourceType":"Patient","gender":"female",
			"birthDate":"1980","identifier":[{"system":"http://example/mrn","value":"1"}]}}`
		condition = `{"resource":{"resourceType":"Condition","meta":{"profile":["http://hl7.org.au/fhir/core/StructureDefinition/au-core-condition"]},
			"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},
			"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-category","code":"encounter-diagnosis"}]}],
			"code":{"text":"x"},"subject":{"reference":"urn:uuid:5b0fd0a5-0001-4a4e-9d3a-2f1f5a0e0001"}},
			"fullUrl":"urn:uuid:5b0fd0a5-0002-4a4e-9d3a-2f1f5a0e`
		taskGroup = "http://hl7.org.au/fhir/ereq/StructureDefinition/au-erequesting-task-group"
	)
	for _, tt := range []struct {
		name, doc string
		profiles  []string
		want      []string
	}{
		{"base64", `{"resourceType":"Binary","contentType":"text/plain","data":"SGVsbG8"}`, nil, []string{"error value Binary.data base64"}},
		{"slices of what is missing", `{"resourceType":"Task","meta":{"versionId":"1"},"status":"requested","intent":"order"}`, []string{taskGroup}, []string{
			"error required Task.code cardinality", "error required Task.for cardinality", "error required Task.authoredOn cardinality",
			"error required Task.requester cardinality", "error required Task.groupIdentifier cardinality", "error required Task.meta.tag cardinality"}},
		{"many references to one resource", `{"resourceType":"Bundle","type":"collection","entry":[` + nameless + `,` + condition + `0001"},` + condition + `0002"}]}`,
			nil, []string{"error value Bundle.entry[1].resource.subject target"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := told(failing(schemas.New(schemas.Config{}).Check(parse(t, tt.doc), "", tt.profiles...)))
			if diff := cmp.Diff(set(tt.want), set(got)); diff != "" || len(got) != len(tt.want) { // none twice
				t.Errorf("Check(%s): %q, (-want +got)\n%s", tt.doc, got, diff)
			}
		})
	}
}

// TestCheckKeepsTheErrorOfAWarning: a request that claims nothing is held against a profile leniently first, and then
// against the same in earnest.
func TestCheckKeepsTheErrorOfAWarning(t *testing.T) {
	issues := []fhir.Issue{
		{Severity: fhir.SeverityWarning, Code: fhir.CodeInvariant, Expression: "Patient", Rule: "au-core-pat-01"},
		{Severity: fhir.SeverityError, Code: fhir.CodeInvariant, Expression: "Patient", Rule: "au-core-pat-01"},
		{Severity: fhir.SeverityWarning, Code: fhir.CodeInvariant, Expression: "Patient", Rule: "au-core-pat-01"},
	}
	if got, want := told(schemas.Once(issues)), []string{"error invariant Patient au-core-pat-01"}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTypesAreProfilesThatAreKnown: every resource is held against its type.
func TestTypesAreProfilesThatAreKnown(t *testing.T) {
	const base = "http://hl7.org/fhir/StructureDefinition/"
	for _, tt := range []struct {
		profile string
		known   bool
	}{
		{base + "Patient", true},
		{base + "Patient|4.0.1", true},
		{base + "Patient|4.0", true},
		{base + "DomainResource", true},
		{base + "Resource", true},
		{base + "Patient|5.0.0", false},
		{base + "Observation", false},
		{base + "NoSuch", false},
	} {
		doc := parse(t, `{"resourceType":"Patient","meta":{"profile":["`+tt.profile+`"]}}`)
		claimed := only(schemas.New(schemas.Config{}).Check(doc, ""), func(i fhir.Issue) bool { return i.Rule == "profile-unknown" })
		if got := len(claimed) == 0; got != tt.known {
			t.Errorf("claimed %s: known %v, want %v", tt.profile, got, tt.known)
		}
		asked := failing(schemas.New(schemas.Config{}).Check(parse(t, `{"resourceType":"Patient"}`), "", tt.profile))
		if got := len(asked) == 0; got != tt.known {
			t.Errorf("asked for %s: known %v, want %v", tt.profile, got, tt.known)
		}
	}
}

func told(issues []fhir.Issue) []string {
	var got []string
	for _, i := range issues {
		got = append(got, string(i.Severity)+" "+string(i.Code)+" "+i.Expression+" "+i.Rule)
	}
	return got
}

func set(names []string) map[string]bool {
	s := map[string]bool{}
	for _, n := range names {
		s[n] = true
	}
	return s
}
