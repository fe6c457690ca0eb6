package profile_test

import (
	"fmt"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// sliced is the rules of an element called name with slices told apart by discriminators.
func sliced(name, rules, discriminators, slices string) string {
	return fmt.Sprintf(`{"children": [{"name": %q, "slicing": {%s, "discriminators": [%s]}, "slices": [%s]}]}`, name, rules, discriminators, slices)
}

const open = `"rules": "open"`

func TestSlicesByValue(t *testing.T) {
	red := `{"name": "identifier", "slice": "red", "min": 1, "max": 1, "children": [{"name": "system", "min": 1, "fixed": "http://example.org/red"}, {"name": "value", "min": 1}]}`
	run(t, "Patient", sliced("identifier", open, `{"type": "value", "path": "system"}`, red), nil, []ruleCase{
		{"one, and another that is in none", aPatient(`"identifier": [{"system": "http://example.org/x"}, {"system": "http://example.org/red", "value": "1"}]`), nil},
		{"none", aPatient(`"identifier": [{"system": "http://example.org/x"}]`), []found{fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.identifier")}},
		{"no element at all", aPatient(``), []found{fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.identifier")}},
		{"two, one at fault", aPatient(`"identifier": [{"system": "http://example.org/red", "value": "1"}, {"system": "http://example.org/red"}]`), []found{
			fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.identifier[1].value"),
			fault(fhir.CodeStructure, profile.RuleCardinality, "Patient.identifier")}},
	})
}

// TestSlicesByValueInAProfile takes the value that tells a slice from the profile of the slice's type, as AU Core does
// for identifiers.
func TestSlicesByValueInAProfile(t *testing.T) {
	others := tables{"ihi": `{"type": "Identifier", "root": {"children": [
		{"name": "type", "min": 1, "pattern": {"coding": [{"code": "NI"}]}}, {"name": "value", "min": 1}]}}`}
	slice := `{"name": "identifier", "slice": "ihi", "max": 1, "profiles": ["` + at + `ihi"]}`
	run(t, "Patient", sliced("identifier", open, `{"type": "pattern", "path": "type"}`, slice), others, []ruleCase{
		{"in no slice without its type", aPatient(`"identifier": [{"use": "usual"}]`), nil},
		{"in the slice, at fault by the profile", aPatient(`"identifier": [{"type": {"coding": [{"code": "NI"}]}}]`), []found{
			{fhir.SeverityError, fhir.CodeRequired, "Patient.identifier[0].value", profile.RuleCardinality, "ihi"}}},
	})
}

// TestSlicesThroughSlices follows a path through slices that must be there, as the blood pressures of R4 and AU Core do.
func TestSlicesThroughSlices(t *testing.T) {
	slice := `{"name": "component", "slice": "systolic", "min": 1, "children": [{"name": "code", "children": [{"name": "coding",
		"slicing": {"rules": "open", "discriminators": [{"type": "value", "path": "code"}, {"type": "value", "path": "system"}]}, "slices": [
		{"name": "coding", "slice": "loinc", "min": 1, "max": 1, "children": [{"name": "system", "fixed": "http://loinc.org"}, {"name": "code", "fixed": "8480-6"}]},
		{"name": "coding", "slice": "sct", "min": 1, "max": 1, "children": [{"name": "system", "fixed": "http://snomed.info/sct"}, {"name": "code", "fixed": "271649006"}]}
	]}]}]}`
	observation := func(codings string) string {
		return `{"resourceType": "Observation", "component": [{"code": {"coding": [` + codings + `]}}]}`
	}
	const loinc, sct = `{"system": "http://loinc.org", "code": "8480-6"}`, `{"system": "http://snomed.info/sct", "code": "271649006"}`
	run(t, "Observation", sliced("component", open, `{"type": "value", "path": "code.coding.code"}, {"type": "value", "path": "code.coding.system"}`, slice), nil, []ruleCase{
		{"both codings", observation(loinc + "," + sct), nil},
		{"one of them: the slice, at fault", observation(loinc), []found{
			fault(fhir.CodeRequired, profile.RuleCardinality, "Observation.component[0].code.coding")}},
		{"another code", observation(`{"system": "http://loinc.org", "code": "1"}`), []found{
			fault(fhir.CodeRequired, profile.RuleCardinality, "Observation.component")}},
	})
}

func TestSlicesByPattern(t *testing.T) {
	slices := `{"name": "category", "slice": "a", "max": 1, "pattern": {"coding": [{"code": "a"}]}, "children": [{"name": "text", "min": 1}]},
		{"name": "category", "slice": "b", "pattern": {"coding": [{"code": "b"}]}}`
	request := func(categories string) string {
		return `{"resourceType": "ServiceRequest", "category": [` + categories + `]}`
	}
	const a, b = `{"text": "A", "coding": [{"code": "a"}]}`, `{"coding": [{"code": "b"}]}`
	run(t, "ServiceRequest", sliced("category", open, `{"type": "pattern", "path": "$this"}`, slices), nil, []ruleCase{
		{"one of each and another", request(a + "," + b + `, {"text": "x"}`), nil},
		{"twice", request(a + "," + a), []found{fault(fhir.CodeStructure, profile.RuleCardinality, "ServiceRequest.category")}},
		{"in both: the first", request(`{"coding": [{"code": "b"}, {"code": "a"}]}`), []found{
			{fhir.SeverityWarning, fhir.CodeStructure, "ServiceRequest.category[0]", profile.RuleSlice, "p"},
			fault(fhir.CodeRequired, profile.RuleCardinality, "ServiceRequest.category[0].text")}},
	})
}

func TestSlicesByBinding(t *testing.T) {
	slice := func(set string) string {
		return `{"name": "category", "slice": "colour", "min": 1, "binding": {"strength": "required", "valueSet": "http://example.org/ValueSet/` + set + `"}}`
	}
	request := `{"resourceType": "ServiceRequest", "category": [{"coding": [{"system": "http://example.org/colours", "code": "blue"}]}]}`
	none := `{"resourceType": "ServiceRequest", "category": [{"coding": [{"system": "http://example.org/x", "code": "blue"}]}]}`
	run(t, "ServiceRequest", sliced("category", open, `{"type": "value", "path": "$this"}`, slice("colours")), nil, []ruleCase{
		{"a member", request, nil},
		{"no member", none, []found{fault(fhir.CodeRequired, profile.RuleCardinality, "ServiceRequest.category")}},
	})
	run(t, "ServiceRequest", sliced("category", open, `{"type": "value", "path": "$this"}`, slice("partial")), nil, []ruleCase{
		{"perhaps a member: not missing for certain", none, nil},
	})
}

func TestSlicesByType(t *testing.T) {
	slices := `{"name": "deceased[x]", "slice": "deceasedDateTime", "types": ["dateTime"], "children": [{"name": "extension", "max": 0}]}`
	run(t, "Patient", sliced("deceased[x]", `"rules": "closed"`, `{"type": "type", "path": "$this"}`, slices), nil, []ruleCase{
		{"of the slice", aPatient(`"deceasedDateTime": "2020"`), nil},
		{"of the slice, at fault", aPatient(`"_deceasedDateTime": {"extension": [{"url": "http://example.org/x", "valueCode": "masked"}]}`), []found{
			fault(fhir.CodeStructure, profile.RuleCardinality, "Patient.deceased.extension")}},
		{"of none", aPatient(`"deceasedBoolean": true`), []found{fault(fhir.CodeStructure, profile.RuleSlice, "Patient.deceased")}},
	})
}

func TestSlicesByReference(t *testing.T) {
	others := tables{"named": `{"type": "Organization", "root": {"children": [{"name": "name", "min": 1}]}}`}
	task := func(references, contained string) string {
		return `{"resourceType": "Patient", "contained": [` + contained + `], "generalPractitioner": [` + references + `]}`
	}
	const good, bad = `{"resourceType": "Organization", "id": "good", "name": "x"}`, `{"resourceType": "Organization", "id": "bad"}`
	byProfile := `{"name": "generalPractitioner", "slice": "named", "min": 1, "max": 1, "targets": ["` + at + `named"]}`
	missing := []found{fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.generalPractitioner")}
	run(t, "Patient", sliced("generalPractitioner", open, `{"type": "profile", "path": "$this.resolve()"}`, byProfile), others, []ruleCase{
		{"conforms", task(`{"reference": "#bad"}, {"reference": "#good"}`, good+","+bad), nil},
		{"does not conform", task(`{"reference": "#bad"}`, bad), missing},
		{"leads out of the document: not missing for certain", task(`{"reference": "Organization/1"}`, bad), nil},
		{"leads to another type out of the document", task(`{"reference": "Practitioner/1"}`, bad), missing},
		{"two", task(`{"reference": "#good"}, {"reference": "#good"}`, good), []found{
			fault(fhir.CodeStructure, profile.RuleCardinality, "Patient.generalPractitioner")}},
	})
	byType := `{"name": "generalPractitioner", "slice": "practice", "min": 1, "targets": ["Organization"]}`
	run(t, "Patient", sliced("generalPractitioner", `"rules": "closed"`, `{"type": "type", "path": "resolve()"}`, byType), others, []ruleCase{
		{"in the document", task(`{"reference": "#bad"}`, bad), nil},
		{"by the reference", task(`{"reference": "Organization/1"}`, bad), nil},
		{"another type", task(`{"reference": "Practitioner/1"}, {"reference": "#bad"}`, bad), []found{
			fault(fhir.CodeStructure, profile.RuleSlice, "Patient.generalPractitioner[0]")}},
		{"unknown", task(`{"display": "x"}`, bad), nil},
	})
	byValue := `{"name": "generalPractitioner", "slice": "x", "min": 1, "targets": ["` + at + `fixed"]}`
	fixed := tables{"fixed": `{"type": "Organization", "root": {"children": [{"name": "name", "fixed": "x"}]}}`}
	run(t, "Patient", sliced("generalPractitioner", open, `{"type": "value", "path": "resolve().name"}`, byValue), fixed, []ruleCase{
		{"the target's value", task(`{"reference": "#good"}`, good), nil},
		{"not the target's value", task(`{"reference": "#bad"}`, bad), missing[:1:1]},
		{"out of the document", task(`{"reference": "Organization/1"}`, bad), nil},
	})
}

func TestSlicesByExistence(t *testing.T) {
	slices := `{"name": "name", "slice": "current", "max": 1, "children": [{"name": "period", "max": 0}]},
		{"name": "name", "slice": "former", "max": 0, "children": [{"name": "period", "min": 1}]}`
	run(t, "Patient", sliced("name", open, `{"type": "exists", "path": "period"}`, slices), nil, []ruleCase{
		{"without", aPatient(`"name": [{"text": "A"}]`), nil},
		{"with", aPatient(`"name": [{"text": "A"}, {"period": {"end": "2020"}}]`), []found{fault(fhir.CodeStructure, profile.RuleCardinality, "Patient.name")}},
	})
}

func TestSlicesByExtension(t *testing.T) {
	others := tables{"colour": `{"type": "Extension", "root": {"children": [{"name": "value[x]", "min": 1}]}}`}
	slices := `{"name": "extension", "slice": "colour", "min": 1, "max": 1, "profiles": ["` + at + `colour"]},
		{"name": "extension", "slice": "fixed", "max": 1, "children": [{"name": "url", "fixed": "fixed"}, {"name": "value[x]", "types": ["code"]}]}`
	run(t, "Patient", sliced("extension", open, `{"type": "value", "path": "url"}`, slices), others, []ruleCase{
		{"by its definition and by a fixed url", aPatient(`"extension": [{"url": "` + at + `colour", "valueCode": "red"}, {"url": "fixed", "valueCode": "x"}]`), nil},
		{"missing", aPatient(`"extension": [{"url": "http://example.org/x", "valueCode": "red"}]`), []found{fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.extension")}},
		{"of another type", aPatient(`"extension": [{"url": "fixed", "valueString": "x"}, {"url": "` + at + `colour", "valueCode": "red"}]`), []found{
			fault(fhir.CodeStructure, profile.RuleType, "Patient.extension[0].value")}},
	})
	inside := `{"name": "name", "slice": "legal", "min": 1, "children": [{"name": "extension", "slicing": {"rules": "open", "discriminators": [{"type": "value", "path": "url"}]},
		"slices": [{"name": "extension", "slice": "kind", "children": [{"name": "url", "fixed": "http://example.org/kind"}, {"name": "value[x]", "fixed": "legal"}]}]}]}`
	run(t, "Patient", sliced("name", open, `{"type": "value", "path": "extension('http://example.org/kind').value"}`, inside), nil, []ruleCase{
		{"the value of an extension", aPatient(`"name": [{"extension": [{"url": "http://example.org/kind", "valueCode": "legal"}]}]`), nil},
		{"another value", aPatient(`"name": [{"extension": [{"url": "http://example.org/kind", "valueCode": "other"}]}]`), []found{
			fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.name")}},
	})
}

// TestExtensionsOfAPrimitive finds them beside the primitive.
func TestExtensionsOfAPrimitive(t *testing.T) {
	root := `{"children": [{"name": "birthDate", "children": [{"name": "extension", "slicing": {"rules": "open", "discriminators": [{"type": "value", "path": "url"}]},
		"slices": [{"name": "extension", "slice": "x", "max": 1, "children": [{"name": "url", "fixed": "http://example.org/x"}]}]}]}]}`
	const x = `{"url": "http://example.org/x", "valueCode": "a"}`
	run(t, "Patient", root, nil, []ruleCase{
		{"one", aPatient(`"birthDate": "1970", "_birthDate": {"extension": [` + x + `]}`), nil},
		{"two", aPatient(`"birthDate": "1970", "_birthDate": {"extension": [` + x + `,` + x + `]}`), []found{
			fault(fhir.CodeStructure, profile.RuleCardinality, "Patient.birthDate.extension")}},
	})
}

func TestSlicingRules(t *testing.T) {
	slices := `{"name": "name", "slice": "a", "children": [{"name": "use", "fixed": "usual"}]}, {"name": "name", "slice": "b", "children": [{"name": "use", "fixed": "old"}]}`
	byUse := `{"type": "value", "path": "use"}`
	const a, b, other = `{"use": "usual"}`, `{"use": "old"}`, `{"use": "temp"}`
	names := func(list string) string { return aPatient(`"name": [` + list + `]`) }
	broken := func(at string) []found { return []found{fault(fhir.CodeStructure, profile.RuleSlice, at)} }
	run(t, "Patient", sliced("name", `"rules": "closed"`, byUse, slices), nil, []ruleCase{
		{"closed, in any order", names(b + "," + a), nil},
		{"closed, another", names(a + "," + other), broken("Patient.name[1]")},
	})
	run(t, "Patient", sliced("name", `"rules": "openAtEnd"`, byUse, slices), nil, []ruleCase{
		{"open at the end", names(b + "," + a + "," + other), nil},
		{"another before the end", names(other + "," + a), broken("Patient.name[1]")},
	})
	run(t, "Patient", sliced("name", `"rules": "open", "ordered": true`, byUse, slices), nil, []ruleCase{
		{"ordered", names(a + "," + other + "," + a + "," + b), nil},
		{"out of order", names(b + "," + a), broken("Patient.name[1]")},
	})
}

// TestReslicing counts the slices of a slice.
func TestReslicing(t *testing.T) {
	slices := `{"name": "telecom", "slice": "phone", "min": 1, "slicing": {"rules": "closed", "discriminators": [{"type": "value", "path": "use"}]}, "children": [{"name": "system", "fixed": "phone"}]},
		{"name": "telecom", "slice": "phone/work", "max": 1, "children": [{"name": "use", "fixed": "work"}]},
		{"name": "telecom", "slice": "phone/home", "children": [{"name": "use", "fixed": "home"}, {"name": "value", "min": 1}]},
		{"name": "telecom", "slice": "email", "max": 1, "children": [{"name": "system", "fixed": "email"}]}`
	const work, home, mobile, email = `{"system": "phone", "use": "work"}`, `{"system": "phone", "use": "home"}`, `{"system": "phone", "use": "mobile"}`, `{"system": "email", "use": "work"}`
	telecoms := func(list string) string { return aPatient(`"telecom": [` + list + `]`) }
	run(t, "Patient", sliced("telecom", open, `{"type": "value", "path": "system"}`, slices), nil, []ruleCase{
		{"one of each", telecoms(work + `, {"system": "phone", "use": "home", "value": "1"}, ` + email), nil},
		{"two of an inner slice", telecoms(work + "," + work), []found{fault(fhir.CodeStructure, profile.RuleCardinality, "Patient.telecom")}},
		{"an inner slice at fault", telecoms(home), []found{fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.telecom[0].value")}},
		{"closed within", telecoms(work + "," + mobile), []found{fault(fhir.CodeStructure, profile.RuleSlice, "Patient.telecom[1]")}},
		{"two of an outer slice", telecoms(work + "," + email + "," + email), []found{fault(fhir.CodeStructure, profile.RuleCardinality, "Patient.telecom")}},
	})
}

// TestSlicesThatOnlyWordsTellApart says nothing: the profile has no discriminator.
func TestSlicesThatOnlyWordsTellApart(t *testing.T) {
	run(t, "Patient", sliced("name", `"rules": "closed"`, "", `{"name": "name", "slice": "a", "min": 1}`), nil, []ruleCase{
		{"some", aPatient(`"name": [{"text": "A"}]`), nil},
	})
}
