package schemas_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// FuzzCheck: whatever passes the gate is checked to its end, with the same answer twice.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"resourceType":"Patient","meta":{"profile":["http://hl7.org.au/fhir/core/StructureDefinition/au-core-patient"]},"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"NI"}]},"system":"http://ns.electronichealth.net.au/id/hi/ihi/1.0","value":"8003600000000001"}],"name":[{"family":"x"}],"gender":"male","_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]},"deceasedDateTime":"2020"}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"ServiceRequest","meta":{"profile":["http://hl7.org.au/fhir/ereq/StructureDefinition/au-erequesting-servicerequest-path"]},"status":"active","intent":"order","subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"supportingInfo":[{"reference":"#o"}],"contained":[{"resourceType":"Observation","id":"o"}]},"request":{"method":"POST","url":"ServiceRequest"}}]}`,
		`{"resourceType":"Observation","meta":{"profile":["http://hl7.org.au/fhir/core/StructureDefinition/au-core-bloodpressure"]},"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"component":[{"code":{"text":"x"},"valueQuantity":{"value":1e2}}]}`,
		`{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"contentType":"text/plain","data":"AA==","size":1}}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x</p></div>"}}`,
	} {
		f.Add([]byte(seed))
	}
	v := schemas.New(schemas.Config{Defaults: schemas.Enforce})
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := fhir.Parse(data, "Resource", fhir.Limits{Nodes: 20_000})
		if err != nil {
			return
		}
		first := v.Check(doc, "")
		if diff := cmp.Diff(first, v.Check(doc, "")); diff != "" {
			t.Errorf("two checks differ:\n%s", diff)
		}
	})
}
