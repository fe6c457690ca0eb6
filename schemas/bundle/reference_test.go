package bundle_test

import "testing"

func TestReferences(t *testing.T) {
	patient := `{"resourceType":"Patient","id":"p","meta":{"versionId":"2"},"contained":[{"resourceType":"Organization","id":"o"}]}`
	condition := func(reference string) string { return about("Condition", "subject", reference) }
	const at = "Bundle.entry[1].resource.subject"
	dangling := []string{"error not-found " + at + ".reference reference-resolves"}
	malformed := []string{"error value " + at + ".reference reference-form"}
	for _, tt := range []struct {
		name, reference string
		want            []string
	}{
		{"fullUrl", uuid(0), nil},
		{"fullUrl of none", uuid(9), dangling},
		{"a URN in capitals is another text", "URN:UUID:00000000-0000-4000-8000-000000000000", dangling},
		{"urn:oid of none", "urn:oid:1.2.3", dangling},
		{"fragment behind a fullUrl", uuid(0) + "#o", nil},
		{"fragment behind a fullUrl of none", uuid(9) + "#o", dangling},
		{"on this server, perhaps", "Patient/7", nil},
		{"version on this server, perhaps", "Patient/7/_history/1", nil},
		{"absolute", "https://elsewhere.example/fhir/Patient/7", nil},
		{"itself", "#", nil},
		{"contained of none", "#o", []string{"error not-found " + at + " ref-1"}},
		{"by criteria", "Patient?identifier=x", []string{"error value " + at + ".reference conditional-reference"}},
		{"by no criteria", "Patient?", malformed},
		{"criteria of no type", "?identifier=x", malformed},
		{"no id", "Patient", malformed},
		{"lower case", "patient/7", malformed},
		{"upwards", "../Patient/7", malformed},
		{"below the root", "/Patient/7", malformed},
		{"too long", "Patient/7/x", malformed},
		{"no version", "Patient/7/_history/", malformed},
		{"words", "the patient", malformed},
		{"file", "file:///etc/hosts", []string{"error value " + at + ".reference url-scheme"}},
		{"gopher in capitals", "GOPHER://127.0.0.1/x", []string{"error value " + at + ".reference url-scheme"}},
	} {
		ruleTest{tt.name, of("collection", patient, condition(tt.reference)), tt.want}.run(t)
	}
}

func TestReferencesElsewhere(t *testing.T) {
	for _, tt := range []ruleTest{
		{"contained", `{"resourceType":"Condition","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}`, nil},
		{"contained to contained",
			`{"resourceType":"Condition","contained":[{"resourceType":"Patient","id":"p","managingOrganization":{"reference":"#o"}},` +
				`{"resourceType":"Organization","id":"o"}],"subject":{"reference":"#p"}}`, nil},
		{"contained in another entry", of("collection",
			`{"resourceType":"Condition","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}`,
			about("Condition", "subject", "#p")), []string{"error not-found Bundle.entry[1].resource.subject ref-1"}},
		{"two contained of one id", `{"resourceType":"Condition","contained":[{"resourceType":"Patient","id":"p"},{"resourceType":"Organization","id":"p"}]}`,
			[]string{"error invariant Condition.contained[1].id contained-id"}},
		{"no Bundle", about("Condition", "subject", uuid(0)), []string{"error not-found Condition.subject.reference reference-resolves"}},
		{"by criteria outside a Bundle", about("Condition", "subject", "Patient?identifier=x"), nil},
		{"by criteria in a transaction", of("transaction", about("Condition", "subject", "Patient?identifier=x")), nil},
		{"in a batch", of("batch", `{"resourceType":"Patient"}`, about("Condition", "subject", uuid(0))),
			[]string{"error not-found Bundle.entry[1].resource.subject.reference batch-independent"}},
		{"in an array, a choice and an extension",
			`{"resourceType":"Observation","extension":[{"url":"urn:x","valueReference":{"reference":"` + uuid(1) + `"}}],` +
				`"performer":[{"reference":"Practitioner/1"},{"reference":"` + uuid(2) + `"}],"_status":{"extension":[{"url":"urn:x","valueReference":{"reference":"` + uuid(3) + `"}}]}}`,
			[]string{
				"error not-found Observation.extension[0].value.reference reference-resolves",
				"error not-found Observation.performer[1].reference reference-resolves",
				"error not-found Observation.status.extension[0].value.reference reference-resolves",
			}},
		{"a uri called reference", `{"resourceType":"Immunization","education":[{"reference":"leaflet"}]}`, nil},
		{"a reference that is no choice", about("ServiceRequest", "locationReference", "nowhere"),
			[]string{"error value ServiceRequest.locationReference.reference reference-form"}},
		{"a reference that is a choice", about("MedicationRequest", "medicationReference", "nowhere"),
			[]string{"error value MedicationRequest.medication.reference reference-form"}},
		{"in Parameters", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":` + of("collection", about("Condition", "subject", uuid(5))) + `}]}`,
			[]string{"error not-found Parameters.parameter[0].resource.entry[0].resource.subject.reference reference-resolves"}},
		{"in a Bundle in a Bundle", of("collection", `{"resourceType":"Patient"}`,
			whole("collection", `{"fullUrl":"`+uuid(7)+`","resource":`+about("Condition", "subject", uuid(0))+`}`, `{"fullUrl":"`+uuid(8)+`","resource":`+about("Condition", "subject", uuid(6))+`}`)),
			[]string{"error not-found Bundle.entry[1].resource.entry[1].resource.subject.reference reference-resolves"}},
	} {
		tt.run(t)
	}
}

func TestReferenceTypes(t *testing.T) {
	typed := func(reference, typ string) string {
		return `{"resourceType":"Condition","subject":{"reference":"` + reference + `","type":"` + typ + `"}}`
	}
	want := []string{"error value Bundle.entry[1].resource.subject.type reference-type"}
	for _, tt := range []ruleTest{
		{"the entry's", of("collection", `{"resourceType":"Patient"}`, typed(uuid(0), "Patient")), nil},
		{"the entry's by URL", of("collection", `{"resourceType":"Patient"}`, typed(uuid(0), "http://hl7.org/fhir/StructureDefinition/Patient")), nil},
		{"another than the entry's", of("collection", `{"resourceType":"Patient"}`, typed(uuid(0), "Group")), want},
		{"another than it says", of("collection", `{"resourceType":"Patient"}`, typed("Patient/7", "Group")), want},
		{"of another server", of("collection", `{"resourceType":"Patient"}`, typed("https://elsewhere.example/Patient/7", "Group")), nil},
	} {
		tt.run(t)
	}
}
