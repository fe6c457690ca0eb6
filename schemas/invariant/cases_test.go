package invariant_test

import (
	"slices"
	"strings"
)

func auIdentifierCases() []ruleCase {
	var cases []ruleCase
	for name, number := range map[string]string{
		"ihi-value": "8003608833357361", "hpii": "8003619900015717", "hpio": "8003621566684455", "csp": "8003639900027009",
		"paio": "8003640011000059", "paid": "8003640013000057", "caei": "9003600003999997",
	} {
		value := func(s string) string { return `{"value":"` + s + `"}` }
		cases = append(cases,
			ruleCase{"inv-" + name + "-0", "Identifier", value(number), value(number[:15])},
			ruleCase{"inv-" + name + "-1", "Identifier", value(number), value("12" + number[2:])},
			ruleCase{"inv-" + name + "-2", "Identifier", value(number), value(number[:15] + string('0'+(number[15]-'0'+1)%10))})
	}
	return append(cases, []ruleCase{
		{"inv-ihi-value-0", "Identifier", `{"value":"8003608833357361"}`, `{"system":"http://ns.electronichealth.net.au/id/hi/ihi/1.0"}`},
		{"inv-npio-0 inv-npio-1", "Identifier", `{"value":"8003619900015717@8003621566684455"}`, `{"value":"8003619900015717"}`},
		{"inv-ahpra-0", "Identifier", `{"value":"MED0000932846"}`, `{"value":"med0000932846"}`},
		{"inv-abn-0", "Identifier", `{"value":"51824753556"}`, `{"value":"51 824 753 556"}`},
		{"inv-acn-0 inv-arbn-0", "Identifier", `{"value":"004085616"}`, `{"value":"4085616"}`},
		{"inv-dpid-0", "Identifier", `{"value":"12345678"}`, `{"value":"1234567"}`},
	}...)
}

const (
	darURL  = `"http://hl7.org/fhir/StructureDefinition/data-absent-reason"`
	dar     = `{"extension":[{"url":` + darURL + `,"valueCode":"unknown"}]}`
	withDAR = `"extension":[{"url":` + darURL + `,"valueCode":"unknown"}]`
)

// nested is a resource with an extension in which another one holds a coded value.
func nested(resourceType, url, inner, code string) string {
	return `{"resourceType":"` + resourceType + `","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/individual-` + url +
		`","extension":[{"url":"` + inner + `","valueCodeableConcept":{"coding":[{"code":"` + code + `"}]}}]}]}`
}

var auCases = slices.Concat(memberCases(), []ruleCase{
	{"inv-pat-0", "Patient",
		`{"birthDate":"1970-05-17","_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueDateTime":"1970-05-17T10:00:00+10:00"}]}}`,
		`{"birthDate":"1970-05-18","_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueDateTime":"1970-05-17T10:00:00+10:00"}]}}`},
	{"inv-add-0", "Address", `{"line":["1 Test Street"]}`, `{"city":"Perth"}`},
	{"inv-add-1", "Address",
		`{"type":"physical","extension":[{"url":"http://hl7.org.au/fhir/StructureDefinition/no-fixed-address","valueBoolean":true}]}`,
		`{"type":"both","extension":[{"url":"http://hl7.org.au/fhir/StructureDefinition/no-fixed-address","valueBoolean":true}]}`},
	{"inv-add-2", "Address",
		`{"text":"NO FIXED ADDRESS, Darwin","extension":[{"url":"http://hl7.org.au/fhir/StructureDefinition/no-fixed-address","valueBoolean":true}]}`,
		`{"text":"Darwin","extension":[{"url":"http://hl7.org.au/fhir/StructureDefinition/no-fixed-address","valueBoolean":true}]}`},
	{"inv-add-3", "Address", `{"postalCode":"0870"}`, `{"postalCode":"00120"}`},
	{"inv-bodstr-0", "BodyStructure", `{"description":"left arm"}`, `{"resourceType":"BodyStructure"}`},
	{"inv-idrout-0", "Extension",
		`{"url":"http://hl7.org.au/fhir/StructureDefinition/identifier-routability","extension":[{"url":"routability-flag","valueBoolean":false}]}`,
		`{"url":"http://hl7.org.au/fhir/StructureDefinition/identifier-routability","extension":[{"url":"routability-flag","valueBoolean":true}]}`},
	{"inv-obs-0", "Observation", `{"component":[{"valueString":"x"}]}`, `{"component":[{"id":"a"}]}`},
	{"inv-obs-1", "Observation", `{"bodySite":{"text":"arm"}}`,
		`{"bodySite":{"text":"arm"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/bodySite","valueReference":{"display":"arm"}}]}`},

	{"au-core-pat-01", "Patient", `{"identifier":[{"system":"http://example.org","value":"1"}]}`, `{"identifier":[{"value":"1"}]}`},
	{"au-core-pat-01", "Patient", `{"identifier":[` + dar + `]}`,
		`{"identifier":[{"system":"http://example.org","value":"1"},` + dar + `]}`},
	{"au-core-pat-02", "Patient", `{"name":[{"family":"Test"}]}`, `{"name":[{"text":"Test"}]}`},
	{"au-core-pat-03", "Patient", `{"name":[` + dar + `]}`, `{"name":[{"use":"official"}]}`},
	{"au-core-prarol-01", "PractitionerRole", `{"practitioner":{"display":"Dr Test"}}`, `{"practitioner":{"type":"Practitioner"}}`},
	{"au-core-relper-01", "RelatedPerson", `{"relationship":[{"text":"mother"}]}`, `{"active":true}`},
	{"au-core-relper-02", "RelatedPerson", `{"name":[{"given":["Test"]}]}`, `{"name":[{"given":["Test"]},{"use":"old"}]}`},
	{"au-core-org-01", "Organization",
		`{"identifier":[{"type":{"coding":[{"code":"NOI"}]},"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0"}]}`,
		`{"identifier":[{"type":{"coding":[{"code":"NOI"}]},"system":"http://hl7.org.au/id/abn"}]}`},
	{"au-core-loc-01", "Location", `{"identifier":[{"system":"http://example.org","value":"1"}]}`, `{"identifier":[{"value":"1"}]}`},
	{"au-core-cond-01", "Condition", `{"bodySite":[{"coding":[{"system":"http://snomed.info/sct"}]}]}`, `{"bodySite":[{"coding":[{"code":"arm"}]}]}`},
	{"au-core-pro-01", "Procedure", `{"bodySite":[{"text":"arm"}]}`, `{"bodySite":[{"coding":[{"code":"arm"}]}]}`},
	{"au-core-obs-04", "Observation", `{"bodySite":{"text":"arm"}}`, `{"bodySite":{"coding":[{"code":"arm"}]}}`},
	{"au-core-obs-01", "Observation", `{"valueString":"x"}`, `{"status":"final"}`},
	{"au-core-obs-02", "Observation", `{"effectiveDateTime":"2024-05-17"}`, `{"effectiveDateTime":"2024-05"}`},
	{"au-core-obs-02", "Observation", `{"_effectiveDateTime":` + dar + `}`, `{"effectiveDateTime":"2024-05-17","_effectiveDateTime":` + dar + `}`},
	{"au-core-obs-02", "Observation", `{"effectivePeriod":{"start":"2024"}}`, `{"_effectiveDateTime":{"id":"a"}}`},
	{"au-core-obs-03", "Observation", `{"component":[{"valueString":"x"}]}`, `{"component":[{"id":"a"}]}`},
	{"au-core-medreq-01", "MedicationRequest", `{"_authoredOn":` + dar + `}`, `{"authoredOn":"2024-05"}`},

	{"au-ereq-srr-01", "ServiceRequest", `{"authoredOn":"2024-05-17"}`, `{"authoredOn":"2024-05"}`},
	{"au-ereq-srr-02", "ServiceRequest", pregnancy("77386006"), pregnancy("60001007")},
	{"au-ereq-taskdr-01 au-ereq-taskcr-01", "Task", tagged("fulfilment-task"), tagged("fulfilment-task-group")},
	{"au-ereq-taskgr-01", "Task", tagged("fulfilment-task-group"), tagged("fulfilment-task")},

	{"bdl-ips-1", "Bundle", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Composition"}},{"resource":{"resourceType":"Patient"}}]}`,
		`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Composition"}},{"resource":{"resourceType":"Composition"}}]}`},
	{"ips-pat-1", "Patient", `{"name":[{"text":"Test"}]}`, `{"name":[{"use":"official"}]}`},
	{"ips-comp-1", "Composition", `{"section":[{"entry":[{"reference":"Condition/a"}]}]}`, `{"section":[{"entry":[{"display":"a"}]}]}`},
	{"ips-1", "Observation", `{"effectiveDateTime":"2024-05-17"}`, `{"effectiveDateTime":"2024-05"}`},
	{"ips-2", "Observation", `{"hasMember":[{"display":"a"}]}`, `{"status":"final"}`},
	{"ips-3", "Observation", `{"component":[{"valueString":"x"}]}`, `{"component":[{"code":{"text":"x"}}]}`},
	{"hasMemberOrComponent", "Observation", `{"hasMember":[{"display":"a"}]}`, `{"hasMember":[{"display":"a"}],"component":[{"id":"a"}]}`},
})

func memberCases() []ruleCase {
	var cases []ruleCase
	for _, c := range []struct{ keys, url, inner string }{
		{"inv-pat-1 inv-pra-0 inv-relper-0", "genderIdentity", "value"},
		{"inv-pat-2 inv-pra-1 inv-relper-1", "pronouns", "value"},
		{"inv-pat-3 inv-pra-2 inv-relper-2", "recordedSexOrGender", "type"},
		{"inv-pat-4 inv-pra-3 inv-relper-3", "recordedSexOrGender", "sourceDocument"},
		{"inv-pat-5 inv-pra-4 inv-relper-4", "recordedSexOrGender", "jurisdiction"},
		{"inv-pat-6 inv-pra-5 inv-relper-5", "recordedSexOrGender", "source"},
	} {
		for i, key := range strings.Fields(c.keys) {
			typ := []string{"Patient", "Practitioner", "RelatedPerson"}[i]
			cases = append(cases, ruleCase{key, typ, nested(typ, c.url, c.inner, "round"), nested(typ, c.url, c.inner, "flat")})
		}
	}
	return cases
}

// pregnancy is a request that refers to a pregnancy status with this SNOMED code.
func pregnancy(code string) string {
	return `{"resourceType":"ServiceRequest","supportingInfo":[{"reference":"#a"}],"contained":[{"resourceType":"Observation","id":"a",` +
		`"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"` + code + `"}]}}]}`
}

func tagged(code string) string {
	return `{"meta":{"tag":[{"system":"http://terminology.hl7.org.au/CodeSystem/resource-tag","code":"` + code + `"}]}}`
}

// coded is a resource whose element holds a coding.
func coded(name, system, code, more string) string {
	return `{"` + name + `":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/` + system + `","code":"` + code + `"}]}` + more + `}`
}

var clinicalCases = []ruleCase{
	{"ait-1", "AllergyIntolerance", coded("verificationStatus", "allergyintolerance-verification", "entered-in-error", ""), `{"code":{"text":"nuts"}}`},
	{"ait-2", "AllergyIntolerance", coded("verificationStatus", "allergyintolerance-verification", "confirmed", `,"clinicalStatus":{"text":"active"}`),
		coded("verificationStatus", "allergyintolerance-verification", "entered-in-error", `,"clinicalStatus":{"text":"active"}`)},
	{"con-1", "Condition", `{"stage":[{"summary":{"text":"II"}}]}`, `{"stage":[{"type":{"text":"x"}}]}`},
	{"con-2", "Condition", `{"evidence":[{"detail":[{"display":"x"}]}]}`, `{"evidence":[{"id":"a"}]}`},
	{"con-3", "Condition", `{"category":[{"coding":[{"code":"encounter-diagnosis"}]}]}`, `{"category":[{"coding":[{"code":"problem-list-item"}]}]}`},
	{"con-4", "Condition", coded("clinicalStatus", "condition-clinical", "resolved", `,"abatementString":"May"`),
		coded("clinicalStatus", "condition-clinical", "active", `,"abatementString":"May"`)},
	{"con-5", "Condition", coded("verificationStatus", "condition-ver-status", "entered-in-error", ""),
		coded("verificationStatus", "condition-ver-status", "entered-in-error", `,"clinicalStatus":{"text":"active"}`)},
	{"obs-3", "Observation", `{"referenceRange":[{"text":"< 5"}]}`, `{"referenceRange":[{"type":{"text":"normal"}}]}`},
	{"obs-6", "Observation", `{"valueQuantity":{"value":1}}`, `{"valueQuantity":{"value":1},"dataAbsentReason":{"text":"x"}}`},
	{"obs-7", "Observation",
		`{"code":{"coding":[{"system":"a","code":"1","display":"x"}]},"valueString":"x","component":[{"code":{"coding":[{"system":"a","code":"1"}]}}]}`,
		`{"code":{"coding":[{"system":"a","code":"1"}]},"valueString":"x","component":[{"code":{"coding":[{"code":"1","system":"a"}]}}]}`},
	{"vs-1", "Observation", `{"effectivePeriod":{"start":"2024"}}`, `{"effectiveDateTime":"2024-05"}`},
	{"vs-2", "Observation", `{"component":[{"id":"a"}]}`, `{"status":"final"}`},
	{"vs-3", "Observation", `{"component":[{"dataAbsentReason":{"text":"refused"}}]}`, `{"component":[{"id":"a"}]}`},
	{"fhs-1", "FamilyMemberHistory", `{"ageString":"40"}`, `{"ageString":"40","bornString":"1980"}`},
	{"fhs-2", "FamilyMemberHistory", `{"ageString":"40","estimatedAge":true}`, `{"estimatedAge":true}`},
	{"mad-1", "MedicationAdministration", `{"dosage":{"rateQuantity":{"value":1}}}`, `{"dosage":{"text":"x"}}`},
	{"mdd-1", "MedicationDispense", `{"whenPrepared":"2024-05-17","whenHandedOver":"2024-05"}`, `{"whenPrepared":"2024-05-17","whenHandedOver":"2024-05-16"}`},
	{"cmp-1", "Composition", `{"section":[{"text":{"status":"empty"}}]}`, `{"section":[{"title":"x"}]}`},
	{"cmp-2", "Composition", `{"section":[{"entry":[{"display":"x"}]}]}`, `{"section":[{"entry":[{"display":"x"}],"emptyReason":{"text":"x"}}]}`},
	{"ras-2", "RiskAssessment", `{"prediction":[{"outcome":{"text":"x"}}]}`, `{"prediction":[{"probabilityDecimal":100.5}]}`},
	{"prr-1", "ServiceRequest", `{"orderDetail":[{"text":"x"}],"code":{"text":"x"}}`, `{"orderDetail":[{"text":"x"}]}`},
	{"inv-1", "Task", `{"authoredOn":"2024-05-17T10:00:00+10:00","lastModified":"2024-05-17T00:30:00Z"}`,
		`{"authoredOn":"2024-05-17T10:00:00+10:00","lastModified":"2024-05-16T23:30:00Z"}`},
}

var datatypeCases = []ruleCase{
	{"per-1", "Period", `{"start":"2024-05-17","end":"2024-05"}`, `{"start":"2024-06","end":"2024-05-17"}`},
	{"per-1", "Period", `{"start":"2024-05-17T23:00:00-05:00","end":"2024-05-18T04:00:00Z"}`, `{"start":"2024-05-17T10:00:00.5Z","end":"2024-05-17T10:00:00Z"}`},
	{"per-1", "Period", `{"start":"2024-05-18","_end":` + dar + `}`, `{"start":"2024-05-18","end":"2024-05-17T10:00:00+10:00"}`},
	{"qty-3", "Quantity", `{"system":"http://unitsofmeasure.org","code":"mg"}`, `{"code":"mg"}`},
	{"age-1", "Age", `{"value":40,"system":"http://unitsofmeasure.org","code":"a"}`, `{"value":0.0,"system":"http://unitsofmeasure.org","code":"a"}`},
	{"cnt-3", "Count", `{"value":2,"code":"1"}`, `{"value":2.5,"code":"1"}`},
	{"drt-1", "Duration", `{"value":2,"system":"http://unitsofmeasure.org","code":"h"}`, `{"value":2,"code":"h"}`},
	{"rng-2", "Range", `{"low":{"value":1.0,"unit":"mg"},"high":{"value":1,"unit":"mg"}}`, `{"low":{"value":10,"unit":"mg"},"high":{"value":9.5,"unit":"mg"}}`},
	{"rat-1", "Ratio", `{` + withDAR + `}`, `{"numerator":{"value":1}}`},
	{"att-1", "Attachment", `{"contentType":"text/plain","data":"AAAA"}`, `{"data":"AAAA"}`},
	{"cpt-2", "ContactPoint", `{"system":"phone","value":"1"}`, `{"value":"1"}`},
	{"ref-1", "Patient", `{"resourceType":"Patient","managingOrganization":{"display":"x"}}`, `{"resourceType":"Patient","managingOrganization":{"reference":"#"}}`},
	{"ref-1", "Patient",
		`{"resourceType":"Patient","managingOrganization":{"reference":"#a"},"contained":[{"resourceType":"Organization","id":"a","partOf":{"reference":"#"}}]}`,
		`{"resourceType":"Patient","managingOrganization":{"reference":"#b"},"contained":[{"resourceType":"Organization","id":"a"}]}`},
	{"tim-1 tim-4", "Timing", `{"repeat":{"duration":1,"durationUnit":"h"}}`, `{"repeat":{"duration":-1}}`},
	{"tim-9", "Timing", `{"repeat":{"offset":3,"when":["MORN","EVE"]}}`, `{"repeat":{"offset":3,"when":["MORN","CM"]}}`},
	{"txt-1 txt-2", "Narrative", `{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">text</div>"}`, `{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"}`},

	{"ele-1", "HumanName", `{"use":"official"}`, `{"id":"a"}`},
	{"ext-1", "Extension", `{"url":"a","valueCode":"a"}`, `{"url":"a","valueCode":"a","extension":[{"url":"b"}]}`},
	{"dom-2", "Patient", `{"resourceType":"Patient","contained":[{"resourceType":"Organization"}]}`,
		`{"resourceType":"Patient","contained":[{"resourceType":"Organization","contained":[{"resourceType":"Organization"}]}]}`},
	{"dom-3", "Patient", `{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a"},{"resourceType":"Basic","id":"b","subject":{"reference":"#"}}],"generalPractitioner":[{"reference":"#a"}]}`,
		`{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a"}],"generalPractitioner":[{"reference":"#aa"}]}`},
	{"dom-4", "Patient", `{"contained":[{"resourceType":"Basic","meta":{"profile":["a"]}}]}`, `{"contained":[{"resourceType":"Basic","meta":{"versionId":"1"}}]}`},
	{"dom-5", "Patient", `{"contained":[{"resourceType":"Basic","meta":{"profile":["a"]}}]}`, `{"contained":[{"resourceType":"Basic","meta":{"security":[{"code":"a"}]}}]}`},
	{"dom-6", "Patient", `{"text":{"div":"x"}}`, `{"text":{"status":"empty"}}`},
}

var bundleCases = []ruleCase{
	{"bdl-1", "Bundle", `{"resourceType":"Bundle","type":"searchset","total":1}`, `{"resourceType":"Bundle","type":"document","total":1}`},
	{"bdl-2", "Bundle", `{"resourceType":"Bundle","type":"searchset","entry":[{"search":{"mode":"match"}}]}`, `{"resourceType":"Bundle","type":"message","entry":[{"search":{"mode":"match"}}]}`},
	{"bdl-3", "Bundle", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"POST"}}]}`, `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"POST"}},{"fullUrl":"a"}]}`},
	{"bdl-3", "Bundle", `{"resourceType":"Bundle","type":"message","entry":[{"fullUrl":"a"}]}`, `{"resourceType":"Bundle","type":"message","entry":[{"request":{"method":"POST"}}]}`},
	{"bdl-4", "Bundle", `{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"200"}}]}`, `{"resourceType":"Bundle","type":"collection","entry":[{"response":{"status":"200"}}]}`},
	{"bdl-5", "Bundle", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"}}]}`, `{"resourceType":"Bundle","entry":[{"fullUrl":"a"}]}`},
	{"bdl-7", "Bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"a","resource":{"meta":{"versionId":"1"}}},{"fullUrl":"a","resource":{"meta":{"versionId":"2"}}}]}`,
		`{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"a"},{"fullUrl":"b"},{"fullUrl":"a"}]}`},
	{"bdl-8", "Bundle", `{"resourceType":"Bundle","entry":[{"request":{"method":"POST"}}]}`, `{"resourceType":"Bundle","entry":[{"fullUrl":"http://example.org/Patient/a/_history/1"}]}`},
	{"bdl-9", "Bundle", `{"resourceType":"Bundle","type":"document","identifier":{"system":"a","value":"b"}}`, `{"resourceType":"Bundle","type":"document","identifier":{"value":"b"}}`},
	{"bdl-10", "Bundle", `{"resourceType":"Bundle","type":"document","timestamp":"2024-05-17T10:00:00Z"}`, `{"resourceType":"Bundle","type":"document","_timestamp":` + dar + `}`},
	{"bdl-11", "Bundle", `{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition"}}]}`, `{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Patient"}},{"resource":{"resourceType":"Composition"}}]}`},
	{"bdl-12", "Bundle", `{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"MessageHeader"}}]}`, `{"resourceType":"Bundle","type":"message"}`},
	{"inv-1", "Parameters", `{"parameter":[{"name":"a","valueCode":"a"}]}`, `{"parameter":[{"name":"a","valueCode":"a","part":[{"name":"b","valueCode":"b"}]}]}`},
}

var otherCases = []ruleCase{
	{"pat-1", "Patient", `{"contact":[{"name":{"text":"x"}}]}`, `{"contact":[{"gender":"male"}]}`},
	{"org-1", "Organization", `{"name":"x"}`, `{"active":true}`},
	{"org-2 org-3", "Organization", `{"telecom":[{"use":"work"}],"address":[{"use":"work"}]}`, `{"telecom":[{"use":"home"}],"address":[{"use":"home"}]}`},
	{"ppc-1", "Consent", `{"policyRule":{"text":"x"}}`, `{"status":"active"}`},
	{"app-3", "Appointment", `{"status":"proposed"}`, `{"status":"booked","start":"2024-05-17T10:00:00Z"}`},
	{"ctm-1", "CareTeam",
		`{"resourceType":"CareTeam","participant":[{"onBehalfOf":{"display":"x"},"member":{"reference":"Patient/a"}}]}`,
		`{"resourceType":"CareTeam","participant":[{"onBehalfOf":{"display":"x"},"member":{"reference":"#a"}}],"contained":[{"resourceType":"Patient","id":"a"}]}`},
	{"que-2", "Questionnaire", `{"item":[{"linkId":"1","item":[{"linkId":"1.1"}]}]}`, `{"item":[{"linkId":"1","item":[{"linkId":"1"}]}]}`},
	{"que-12", "Questionnaire", `{"item":[{"enableWhen":[{"question":"a"}]}]}`, `{"item":[{"enableWhen":[{"question":"a"},{"question":"b"}]}]}`},
	{"csd-1", "CodeSystem", `{"concept":[{"code":"a","concept":[{"code":"b"}]}]}`, `{"concept":[{"code":"a","concept":[{"code":"a"}]}]}`},
	{"cpb-0", "CapabilityStatement", `{"kind":"instance"}`, `{"name":"Referral server"}`},
}
