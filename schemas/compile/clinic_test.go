package compile_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// TestPackageOfAnOperator compiles a package without FHIR's own definitions, as a server does at its start, and checks
// referrals by it: what the page "Add a profile" promises.
func TestPackageOfAnOperator(t *testing.T) {
	packages, err := schemas.Packages(filepath.Join("testdata", "clinic"))
	if err != nil {
		t.Fatal(err)
	}
	validator := schemas.New(schemas.Config{Packages: packages})
	const good = `{"resourceType":"ServiceRequest",
		"meta":{"profile":["http://clinic.example/fhir/StructureDefinition/clinic-referral"]},
		"extension":[{"url":"http://clinic.example/fhir/StructureDefinition/urgency-reason","valueCodeableConcept":{
			"coding":[{"system":"http://clinic.example/fhir/CodeSystem/urgency","code":"infectious"}]}}],
		"identifier":[{"use":"official","system":"http://clinic.example/referral","value":"R-1"}],
		"status":"active","intent":"order","priority":"urgent","authoredOn":"2026-03-02",
		"category":[{"coding":[{"system":"http://snomed.info/sct","code":"3457005"}]}],
		"code":{"coding":[{"system":"http://snomed.info/sct","code":"306206005"}]},
		"subject":{"display":"Synthetic Patient"},"requester":{"display":"Synthetic Practice"},
		"performer":[{"reference":"#clinic"}],
		"contained":[{"resourceType":"Organization","id":"clinic","name":"Synthetic Clinic"}]}`
	for _, tt := range []struct{ name, from, to, want string }{
		{"good", "", "", ""},
		{"element that must be there", `"authoredOn":"2026-03-02",`, "", "error required ServiceRequest.authoredOn cardinality"},
		{"fixed value", `"intent":"order"`, `"intent":"plan"`, "error value ServiceRequest.intent fixed"},
		{"slice that must be there", `"code":"3457005"`, `"code":"1"`, "error required ServiceRequest.category cardinality"},
		{"code that is excluded", `"code":"infectious"`, `"code":"visa"`,
			"error code-invalid ServiceRequest.extension[0].value binding"},
		{"rule of the package's own", `StructureDefinition/urgency-reason"`, `StructureDefinition/another"`, "error invariant ServiceRequest clinic-1"},
		{"maximum length", `"value":"R-1"`, `"value":"R-1234567890123"`, "error too-long ServiceRequest.identifier[0].value max-length"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			document, err := fhir.Parse([]byte(strings.Replace(good, tt.from, tt.to, 1)), "Resource", fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, issue := range validator.Check(document, "") {
				if issue.Severity == fhir.SeverityError {
					got = append(got, strings.Join([]string{string(issue.Severity), string(issue.Code), issue.Expression, issue.Rule}, " "))
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("errors: (-want +got)\n%s", diff)
			}
		})
	}
}
