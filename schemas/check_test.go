package schemas_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// request is a ServiceRequest that has all it must have; more is put in its place.
const request = `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}%s}`

// patient is a Patient of which nothing is required.
const patient = `{"resourceType":"Patient"%s}`

func TestCheck(t *testing.T) {
	const (
		day     = "a date: YYYY, YYYY-MM or YYYY-MM-DD"
		moment  = "a date, or a date and time with seconds and a time zone such as 2024-02-29T09:30:00+10:00"
		instant = "a date and time with seconds and a time zone such as 2024-02-29T09:30:00+10:00"
	)
	dataAbsent := `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}`
	for _, tt := range []struct {
		name string
		doc  string
		more string // put into doc where it has %s
		want []fhir.Issue
	}{
		{"complete", request, ``, nil},
		{"every shape", patient, `,"id":"a-1.B","active":true,"birthDate":"1970-05","multipleBirthInteger":2,
			"name":[{"family":"Example","given":["A",null],"_given":[null,` + dataAbsent + `]}],
			"_birthDate":{"id":"x"},"contained":[{"resourceType":"Organization","name":"Synthetic"}]`, nil},

		// What must be there.
		{"status missing", `{"resourceType":"ServiceRequest","intent":"order","subject":{"display":"x"}}`, ``,
			[]fhir.Issue{issue(fhir.CodeRequired, "ServiceRequest.status", "status is required")}},
		{"all missing", `{"resourceType":"ServiceRequest"}`, ``, []fhir.Issue{
			issue(fhir.CodeRequired, "ServiceRequest.intent", "intent is required"),
			issue(fhir.CodeRequired, "ServiceRequest.status", "status is required"),
			issue(fhir.CodeRequired, "ServiceRequest.subject", "subject is required")}},
		{"status absent with a reason", `{"resourceType":"ServiceRequest","intent":"order","subject":{"display":"x"},"_status":` + dataAbsent + `}`, ``, nil},
		{"status replaced by an id", `{"resourceType":"ServiceRequest","intent":"order","subject":{"display":"x"},"_status":{"id":"a"}}`, ``,
			[]fhir.Issue{issue(fhir.CodeRequired, "ServiceRequest.status", "status is required")}},
		{"choice missing", `{"resourceType":"MedicationStatement","status":"active","subject":{"display":"x"}}`, ``,
			[]fhir.Issue{issue(fhir.CodeRequired, "MedicationStatement.medication", "medication[x] is required")}},
		{"nested element missing", patient, `,"link":[{"type":"seealso"}]`,
			[]fhir.Issue{issue(fhir.CodeRequired, "Patient.link[0].other", "other is required")}},
		{"array missing", `{"resourceType":"SearchParameter","url":"http://e.x","name":"n","status":"draft","description":"d","code":"c","type":"token"}`, ``,
			[]fhir.Issue{issue(fhir.CodeRequired, "SearchParameter.base", "base is required")}},

		// What must not be there.
		{"unknown element", patient, `,"nickname":"x"`,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient", unknown(27))}},
		{"unknown element deep down", patient, `,"name":[{"family":"a"},{"familiy":"b"}]`,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient.name[1]", unknown(51))}},
		{"a name that is no element's", patient, `,"Jane Citizen 1970":"x"`,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient", unknown(27))}},
		{"wrong case", patient, `,"Active":true`,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient", unknown(27))}},
		{"sibling of a complex element", patient, `,"_name":[` + dataAbsent + `]`,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient", unknown(27))}},
		{"sibling of an id", patient, `,"_id":` + dataAbsent,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient", unknown(27))}},
		{"element of R5", request, `,"reason":[{"reference":{"display":"x"}}]`,
			[]fhir.Issue{issue(fhir.CodeStructure, "ServiceRequest", unknown(105))}},
		{"type that a choice does not have", patient, `,"deceasedString":"no"`,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient", unknown(27))}},
		{"two variants of a choice", request, `,"occurrenceDateTime":"2026-01-01","occurrencePeriod":{"start":"2026-01-01"}`,
			[]fhir.Issue{issue(fhir.CodeStructure, "ServiceRequest.occurrence", "occurrence[x] must have one type only, and stands with two")}},
		{"three variants are one fault", request, `,"occurrenceDateTime":"2026-01-01","occurrencePeriod":{"start":"2026-01-01"},"occurrenceTiming":{"event":["2026"]}`,
			[]fhir.Issue{issue(fhir.CodeStructure, "ServiceRequest.occurrence", "occurrence[x] must have one type only, and stands with two")}},
		{"a variant beside the sibling of another", patient, `,"deceasedBoolean":true,"_deceasedDateTime":` + dataAbsent,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient.deceased", "deceased[x] must have one type only, and stands with two")}},
		{"a variant beside its own sibling", patient, `,"deceasedBoolean":true,"_deceasedBoolean":{"id":"x"}`, nil},

		// Types and shapes.
		{"boolean in quotes", patient, `,"active":"true"`,
			[]fhir.Issue{issue(fhir.CodeValue, "Patient.active", "active must be true or false, without quotes")}},
		{"number for a string", patient, `,"name":[{"family":1}]`,
			[]fhir.Issue{issue(fhir.CodeValue, "Patient.name[0].family", "family must be a string")}},
		{"string for a number", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":"1.5"}}`, ``,
			[]fhir.Issue{issue(fhir.CodeValue, "Observation.value.value", "value must be a number, without quotes")}},
		{"object for a string", patient, `,"birthDate":{"value":"1970"}`,
			[]fhir.Issue{issue(fhir.CodeValue, "Patient.birthDate", "birthDate must be a string")}},
		{"number for a code", patient, `,"gender":1`,
			[]fhir.Issue{issue(fhir.CodeValue, "Patient.gender", "gender must be a string")}},
		{"string for an object", request, `,"code":"387713003"`,
			[]fhir.Issue{issue(fhir.CodeValue, "ServiceRequest.code", "code must be an object")}},
		{"array for a single element", request, `,"priority":["routine"]`,
			[]fhir.Issue{issue(fhir.CodeStructure, "ServiceRequest.priority", "priority must be a single value, not an array")}},
		{"array for a single object", request, `,"code":[{"text":"x"}]`,
			[]fhir.Issue{issue(fhir.CodeStructure, "ServiceRequest.code", "code must be a single value, not an array")}},
		{"single element for an array", patient, `,"identifier":{"value":"x"}`,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient.identifier", "identifier must be an array, also for a single value")}},
		{"array in an array", patient, `,"name":[[{"family":"x"}]]`,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient.name[0]", "name must be a single value, not an array")}},
		{"primitive among objects", patient, `,"name":["x"]`,
			[]fhir.Issue{issue(fhir.CodeValue, "Patient.name[0]", "name must be an object")}},
		{"single sibling for an array", patient, `,"name":[{"given":["A"],"_given":` + dataAbsent + `}]`,
			[]fhir.Issue{issue(fhir.CodeStructure, "Patient.name[0].given", "given must be an array, also for a single value")}},
		{"fault in a sibling", patient, `,"_birthDate":{"extension":[{"valueCode":"unknown"}]}`,
			[]fhir.Issue{issue(fhir.CodeRequired, "Patient.birthDate.extension[0].url", "url is required")}},

		// Primitives.
		{"month 13", patient, `,"birthDate":"1970-13-01"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.birthDate", "birthDate must be "+day)}},
		{"date with a time", patient, `,"birthDate":"1970-01-01T00:00:00Z"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.birthDate", "birthDate must be "+day)}},
		{"date with a new line", patient, `,"birthDate":"1970-01-01\n"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.birthDate", "birthDate must be "+day)}},
		{"year 0", patient, `,"birthDate":"0000"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.birthDate", "birthDate must be "+day)}},
		{"30 February", patient, `,"birthDate":"2024-02-30"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.birthDate", "birthDate must be a real date: the month does not have that day")}},
		{"no leap year", patient, `,"birthDate":"2023-02-29"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.birthDate", "birthDate must be a real date: the month does not have that day")}},
		{"no leap century", patient, `,"birthDate":"1900-02-29"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.birthDate", "birthDate must be a real date: the month does not have that day")}},
		{"leap century", patient, `,"birthDate":"2000-02-29"`, nil},
		{"31 April", patient, `,"deceasedDateTime":"2024-04-31T10:00:00Z"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.deceased", "deceasedDateTime must be a real date: the month does not have that day")}},
		{"end of time", patient, `,"deceasedDateTime":"9999-12-31"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.deceased", "deceasedDateTime must be a real date: leave out an end that is open, instead of 9999-12-31")}},
		{"leap second", patient, `,"deceasedDateTime":"2016-12-31T23:59:60Z"`, nil},
		{"time without a zone", patient, `,"deceasedDateTime":"2024-02-29T09:30:00"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.deceased", "deceasedDateTime must be "+moment)}},
		{"time without seconds", patient, `,"deceasedDateTime":"2024-02-29T09:30Z"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.deceased", "deceasedDateTime must be "+moment)}},
		{"zone of 15 hours", patient, `,"deceasedDateTime":"2024-02-29T09:30:00+15:00"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.deceased", "deceasedDateTime must be "+moment)}},
		{"instant without a time", patient, `,"meta":{"lastUpdated":"2024-02-29"}`, []fhir.Issue{issue(fhir.CodeValue, "Patient.meta.lastUpdated", "lastUpdated must be "+instant)}},
		{"instant", patient, `,"meta":{"lastUpdated":"2024-02-29T09:30:00.123+10:00"}`, nil},
		{"id of 65 characters", patient, `,"id":"` + strings.Repeat("a", 65) + `"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.id", "id must be an id: 1 to 64 of A-Z, a-z, 0-9, hyphen and full stop")}},
		{"id with an underscore", patient, `,"id":"a_b"`, []fhir.Issue{issue(fhir.CodeValue, "Patient.id", "id must be an id: 1 to 64 of A-Z, a-z, 0-9, hyphen and full stop")}},
		{"URI with a space", patient, `,"identifier":[{"system":"http://e.x/a b"}]`, []fhir.Issue{issue(fhir.CodeValue, "Patient.identifier[0].system", "system must be a URI without spaces")}},
		{"code outside its list", patient, `,"gender":"F"`, []fhir.Issue{issue(fhir.CodeCodeInvalid, "Patient.gender", "gender must be one of male, female, other, unknown")}},
		{"code with other case", patient, `,"gender":"Female"`, []fhir.Issue{issue(fhir.CodeCodeInvalid, "Patient.gender", "gender must be one of male, female, other, unknown")}},
		{"code outside a long list", `{"resourceType":"CompartmentDefinition","url":"http://e.x","name":"n","status":"draft","code":"Patient","search":true,"resource":[{"code":"Pet"}]}`, ``,
			[]fhir.Issue{issue(fhir.CodeCodeInvalid, "CompartmentDefinition.resource[0].code", "code must be a code of http://hl7.org/fhir/ValueSet/resource-types")}},
		{"code with a space at the end", patient, `,"language":"en "`, []fhir.Issue{issue(fhir.CodeValue, "Patient.language", "language must be a code: no space at either end, single ones inside")}},
		{"integer too large", patient, `,"multipleBirthInteger":2147483648`, []fhir.Issue{issue(fhir.CodeValue, "Patient.multipleBirth", "multipleBirthInteger must be a whole number from -2147483648 to 2147483647")}},
		{"integer too small", patient, `,"multipleBirthInteger":-2147483649`, []fhir.Issue{issue(fhir.CodeValue, "Patient.multipleBirth", "multipleBirthInteger must be a whole number from -2147483648 to 2147483647")}},
		{"least integer", patient, `,"multipleBirthInteger":-2147483648`, nil},
		{"integer with a fraction", patient, `,"multipleBirthInteger":1.5`, []fhir.Issue{issue(fhir.CodeValue, "Patient.multipleBirth", "multipleBirthInteger must be a whole number from -2147483648 to 2147483647")}},
		{"integer with a decimal point", patient, `,"multipleBirthInteger":1.0`, []fhir.Issue{issue(fhir.CodeValue, "Patient.multipleBirth", "multipleBirthInteger must be a whole number, without a decimal point or exponent")}},
		{"positive integer of 0", patient, `,"telecom":[{"rank":0}]`, []fhir.Issue{issue(fhir.CodeValue, "Patient.telecom[0].rank", "rank must be a whole number from 1 to 2147483647")}},
		{"decimal as written", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":-1.50E2}}`, ``, nil},
		{"base64 over lines", patient, `,"photo":[{"data":"QUJD\n REU="}]`, nil},
		{"base64 of a wrong length", patient, `,"photo":[{"data":"QUJDR"}]`, []fhir.Issue{broken("base64", "Patient.photo[0].data", "data must be base64: its length is a multiple of four, filled up with =")}},
		{"base64 for URLs", patient, `,"photo":[{"data":"QUJD_-=="}]`, []fhir.Issue{broken("base64", "Patient.photo[0].data", "data must be base64: A-Z, a-z, 0-9, + and /, with = at the end")}},
		{"base64 after its end", patient, `,"photo":[{"data":"QQ==QUJD"}]`, []fhir.Issue{broken("base64", "Patient.photo[0].data", "data must be base64: = stands only at the end")}},
		{"time of day", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueTime":"24:00:00"}`, ``,
			[]fhir.Issue{issue(fhir.CodeValue, "Observation.value", "valueTime must be a time of day: hh:mm:ss")}},

		// Resources in resources.
		{"contained", request, `,"contained":[{"resourceType":"Patient","gender":"x"}]`,
			[]fhir.Issue{issue(fhir.CodeCodeInvalid, "ServiceRequest.contained[0].gender", "gender must be one of male, female, other, unknown")}},
		{"contained without type", request, `,"contained":[{"id":"a"}]`,
			[]fhir.Issue{issue(fhir.CodeStructure, "ServiceRequest.contained[0]", "resourceType is missing or not a string; it says which resource this is")}},
		{"contained that is no object", request, `,"contained":["#a"]`,
			[]fhir.Issue{issue(fhir.CodeValue, "ServiceRequest.contained[0]", "contained must be an object")}},
		{"entries", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}},{"resource":{"resourceType":"Patient","active":1}},{"resource":{"resourceType":"Task","intent":"order"}}]}`, ``, []fhir.Issue{
			issue(fhir.CodeValue, "Bundle.entry[1].resource.active", "active must be true or false, without quotes"),
			issue(fhir.CodeRequired, "Bundle.entry[2].resource.status", "status is required")}},
		{"Bundle in a Bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Bundle","type":"heap","entry":[{"resource":{"resourceType":"Pet"}}]}}]}`, ``, []fhir.Issue{
			issue(fhir.CodeCodeInvalid, "Bundle.entry[0].resource.type", "type must be one of document, message, transaction, transaction-response, batch, batch-response, history, searchset, collection"),
			issue(fhir.CodeStructure, "Bundle.entry[0].resource.entry[0].resource", "Unknown resource type: resourceType must name a resource of FHIR R4")}},
		{"outcome of an entry", `{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"400","outcome":{"resourceType":"OperationOutcome"}}}]}`, ``,
			[]fhir.Issue{issue(fhir.CodeRequired, "Bundle.entry[0].response.outcome.issue", "issue is required")}},
		{"link of an entry", `{"resourceType":"Bundle","type":"collection","entry":[{"link":[{"relation":"self"}]}]}`, ``,
			[]fhir.Issue{issue(fhir.CodeRequired, "Bundle.entry[0].link[0].url", "url is required")}},
		{"Parameters", `{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"resource","resource":{"resourceType":"Patient","id":"_"}}]}]}`, ``,
			[]fhir.Issue{issue(fhir.CodeValue, "Parameters.parameter[0].part[0].resource.id", "id must be an id: 1 to 64 of A-Z, a-z, 0-9, hyphen and full stop")}},
		{"no resource type", `{"id":"a"}`, ``, []fhir.Issue{issue(fhir.CodeStructure, "Resource", "resourceType is missing or not a string; it says which resource this is")}},
		{"resource type in wrong case", `{"resourceType":"patient"}`, ``, []fhir.Issue{issue(fhir.CodeStructure, "Resource", "Unknown resource type: resourceType must name a resource of FHIR R4")}},
		{"abstract resource type", `{"resourceType":"DomainResource"}`, ``, []fhir.Issue{issue(fhir.CodeStructure, "Resource", "Unknown resource type: resourceType must name a resource of FHIR R4")}},
		{"datatype as a resource", `{"resourceType":"datatypes"}`, ``, []fhir.Issue{issue(fhir.CodeStructure, "Resource", "Unknown resource type: resourceType must name a resource of FHIR R4")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := tt.doc
			if strings.Contains(doc, "%s") {
				doc = fmt.Sprintf(doc, tt.more)
			}
			got := structural(schemas.New(schemas.Config{}).Check(parse(t, doc), ""))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Check(%s): (-want +got)\n%s", doc, diff)
			}
		})
	}
}

func TestCheckNamesByThePathGiven(t *testing.T) {
	got := structural(schemas.New(schemas.Config{}).Check(parse(t, `{"resourceType":"Patient","active":1}`), "Bundle.entry[3].resource"))
	want := []fhir.Issue{issue(fhir.CodeValue, "Bundle.entry[3].resource.active", "active must be true or false, without quotes")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Check: (-want +got)\n%s", diff)
	}
}

// TestCheckSaysNothingOfTheContent puts one unmistakable value where each kind of fault is found.
func TestCheckSaysNothingOfTheContent(t *testing.T) {
	const canary = "ZQX-Canary 7"
	doc := parse(t, strings.ReplaceAll(`{"resourceType":"Patient","id":"@","gender":"@","birthDate":"@","active":"@","name":"@",
		"maritalStatus":"@","photo":[{"data":"@"}],"@":"@","contained":[{"resourceType":"@"},"@"],"telecom":["@"],
		"language":["@"],"deceasedBoolean":"@","deceasedDateTime":"@","implicitRules":"@"}`, "@", canary))
	issues := schemas.New(schemas.Config{}).Check(doc, "")
	if got, want := len(structural(issues)), 16; got != want {
		t.Errorf("got %d issues, want %d: %v", got, want, issues)
	}
	if text := fmt.Sprint(issues); strings.Contains(text, "ZQX") || strings.Contains(text, "Canary") {
		t.Errorf("the issues show content: %s", text)
	}
}

func TestCheckStopsWhenAllIsWrong(t *testing.T) {
	doc := parse(t, `{"resourceType":"Patient","name":[`+strings.Repeat(`{"x":1},`, 5_000)+`{"x":1}]}`)
	if got, want := len(structural(schemas.New(schemas.Config{}).Check(doc, ""))), 500; got != want {
		t.Errorf("got %d issues, want %d", got, want)
	}
}

func TestCheckConcurrently(t *testing.T) {
	doc, v := referral(t), schemas.New(schemas.Config{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if issues := failing(v.Check(doc, "")); len(issues) > 0 {
				t.Errorf("Check: %v", issues)
			}
		})
	}
	wg.Wait()
}

// unknown are the details of an unknown element at a column of the first line.
func unknown(column int) string {
	return fmt.Sprintf("Unknown element: FHIR R4 does not have it here (line 1, column %d)", column)
}

// TestCheckNamesNoUnknownName: a name that could be an element's may be a person's all the same.
func TestCheckNamesNoUnknownName(t *testing.T) {
	doc := parse(t, "\n"+`{"resourceType":"Patient",
  "JaneCitizen19800101Medicare2950": {"name": "x"},
  "name": [{"family": "x", "Citizen": ["x"]}],
  "_JaneCitizen": {"id": "x"}
}`)
	want := []fhir.Issue{
		issue(fhir.CodeStructure, "Patient", "Unknown element: FHIR R4 does not have it here (line 3, column 3)"),
		issue(fhir.CodeStructure, "Patient.name[0]", "Unknown element: FHIR R4 does not have it here (line 4, column 28)"),
		issue(fhir.CodeStructure, "Patient", "Unknown element: FHIR R4 does not have it here (line 5, column 3)"),
	}
	if diff := cmp.Diff(want, structural(schemas.New(schemas.Config{}).Check(doc, ""))); diff != "" {
		t.Errorf("Check: (-want +got)\n%s", diff)
	}
}

// structural are the issues of the schemas alone: they come from no rule with a key, but for base64.
func structural(issues []fhir.Issue) []fhir.Issue {
	return only(issues, func(i fhir.Issue) bool { return i.Fails() && (i.Rule == "" || i.Rule == "base64") })
}

func failing(issues []fhir.Issue) []fhir.Issue { return only(issues, fhir.Issue.Fails) }

func only(issues []fhir.Issue, keep func(fhir.Issue) bool) []fhir.Issue {
	var kept []fhir.Issue
	for _, i := range issues {
		if keep(i) {
			kept = append(kept, i)
		}
	}
	return kept
}

func issue(code fhir.Code, expression, details string) fhir.Issue {
	return fhir.Issue{Severity: fhir.SeverityError, Code: code, Details: details, Expression: expression}
}

// broken is an error that says which rule of this server's is broken.
func broken(rule, expression, details string) fhir.Issue {
	i := issue(fhir.CodeValue, expression, details)
	i.Rule, i.Source = rule, fhir.OwnRules
	return i
}

func parse(tb testing.TB, doc string) *fhir.Value {
	tb.Helper()
	v, err := fhir.Parse([]byte(doc), "Resource", fhir.Limits{})
	if err != nil {
		tb.Fatalf("Parse: %v", err)
	}
	return v
}
