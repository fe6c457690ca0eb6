package profile_test

import (
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func TestCardinality(t *testing.T) {
	run(t, "Patient", `{"children": [
		{"name": "birthDate", "min": 1}, {"name": "name", "min": 2, "max": 3}, {"name": "photo", "max": 0}
	]}`, nil, []ruleCase{
		{"all there", aPatient(`"birthDate": "1970", "name": [{"text": "A"}, {"text": "B"}]`), nil},
		{"an extension says why there is no value", aPatient(`"_birthDate": {"extension": [{"url": "http://example.org/x", "valueCode": "unknown"}]}, "name": [{"text": "A"}, {"text": "B"}]`), nil},
		{"an id alone is no value", aPatient(`"_birthDate": {"id": "a"}, "name": [{"text": "A"}, {"text": "B"}]`), []found{
			fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.birthDate")}},
		{"missing and too few", aPatient(`"name": [{"text": "A"}]`), []found{
			fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.birthDate"),
			fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.name")}},
		{"too many and forbidden", aPatient(`"birthDate": "1970", "name": [{"text": "A"}, {"text": "B"}, {"text": "C"}, {"text": "D"}], "photo": [{"title": "x"}]`), []found{
			fault(fhir.CodeStructure, profile.RuleCardinality, "Patient.name"),
			fault(fhir.CodeStructure, profile.RuleCardinality, "Patient.photo")}},
	})
}

func TestPlacesOfNullDoNotCount(t *testing.T) {
	run(t, "Patient", `{"children": [{"name": "name", "children": [{"name": "given", "min": 2}]}]}`, nil, []ruleCase{
		{"value and extension", aPatient(`"name": [{"given": ["A", null], "_given": [null, {"extension": [{"url": "http://example.org/x", "valueCode": "masked"}]}]}]`), nil},
		{"value and id", aPatient(`"name": [{"given": ["A", null], "_given": [null, {"id": "a"}]}]`), []found{
			fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.name[0].given")}},
	})
}

func TestFixedAndPattern(t *testing.T) {
	run(t, "Patient", `{"children": [
		{"name": "gender", "fixed": "female"},
		{"name": "maritalStatus", "pattern": {"coding": [{"system": "http://example.org/s", "code": "a"}]}},
		{"name": "managingOrganization", "fixed": {"display": "X"}},
		{"name": "multipleBirth[x]", "pattern": 1}
	]}`, nil, []ruleCase{
		{"as they should be", aPatient(`"gender": "female", "maritalStatus": {"text": "t", "coding": [{"code": "b"}, {"display": "d", "code": "a", "system": "http://example.org/s"}]}, "managingOrganization": {"display": "X"}, "multipleBirthInteger": 1`), nil},
		{"numbers by what they mean", aPatient(`"multipleBirthInteger": 0.10e1`), nil},
		{"no value to compare", aPatient(`"_gender": {"extension": [{"url": "http://example.org/x", "valueCode": "masked"}]}`), nil},
		{"others", aPatient(`"gender": "Female", "maritalStatus": {"coding": [{"system": "http://example.org/s"}, {"code": "a"}]}, "managingOrganization": {"display": "X", "id": "y"}, "multipleBirthInteger": 2`), []found{
			fault(fhir.CodeValue, profile.RuleFixed, "Patient.gender"),
			fault(fhir.CodeValue, profile.RulePattern, "Patient.maritalStatus"),
			fault(fhir.CodeValue, profile.RuleFixed, "Patient.managingOrganization"),
			fault(fhir.CodeValue, profile.RulePattern, "Patient.multipleBirth")}},
	})
}

func TestMaxLength(t *testing.T) {
	run(t, "Patient", `{"children": [{"name": "language", "maxLength": 3}]}`, nil, []ruleCase{
		{"characters, not bytes", aPatient(`"language": "äöü"`), nil},
		{"longer", aPatient(`"language": "abcd"`), []found{fault(fhir.CodeTooLong, profile.RuleMaxLength, "Patient.language")}},
	})
}

func TestTypes(t *testing.T) {
	run(t, "Patient", `{"children": [{"name": "deceased[x]", "min": 1, "types": ["dateTime"]}]}`, nil, []ruleCase{
		{"allowed", aPatient(`"deceasedDateTime": "2020"`), nil},
		{"another", aPatient(`"deceasedBoolean": true`), []found{fault(fhir.CodeStructure, profile.RuleType, "Patient.deceased")}},
		{"missing", aPatient(``), []found{fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.deceased")}},
	})
}

func TestBindings(t *testing.T) {
	const required, extensible = `{"strength": "required", "valueSet": "http://example.org/ValueSet/colours"}`, `{"strength": "extensible", "valueSet": "http://example.org/ValueSet/colours"}`
	warning := found{fhir.SeverityWarning, fhir.CodeCodeInvalid, "Patient.maritalStatus", profile.RuleBinding, "p"}
	unknown := found{fhir.SeverityInformation, fhir.CodeInformational, "Patient.language", profile.RuleBinding, "p"}
	run(t, "Patient", `{"children": [
		{"name": "gender", "binding": `+required+`},
		{"name": "contact", "children": [{"name": "relationship", "binding": `+required+`}]},
		{"name": "maritalStatus", "binding": `+extensible+`},
		{"name": "language", "binding": {"strength": "required", "valueSet": "http://example.org/ValueSet/partial"}},
		{"name": "communication", "children": [{"name": "language", "binding": {"strength": "required", "valueSet": "http://example.org/ValueSet/partial"}}]},
		{"name": "multipleBirth[x]", "binding": `+required+`}
	]}`, nil, []ruleCase{
		{"members", aPatient(`"gender": "red", "contact": [{"relationship": [{"coding": [{"code": "x"}, {"system": "http://example.org/colours", "code": "blue"}]}]}], "maritalStatus": {"coding": [{"system": "http://example.org/colours", "code": "red"}]}`), nil},
		{"others", aPatient(`"gender": "Red", "contact": [{"relationship": [{"coding": [{"system": "http://example.org/s", "code": "red"}]}]}], "maritalStatus": {"coding": [{"system": "http://example.org/s", "code": "red"}]}`), []found{
			fault(fhir.CodeCodeInvalid, profile.RuleBinding, "Patient.gender"),
			fault(fhir.CodeCodeInvalid, profile.RuleBinding, "Patient.contact[0].relationship[0]"), warning}},
		{"text alone", aPatient(`"contact": [{"relationship": [{"text": "t"}]}], "maritalStatus": {"text": "t"}`), []found{
			fault(fhir.CodeCodeInvalid, profile.RuleBinding, "Patient.contact[0].relationship[0]")}},
		{"why there is no code", aPatient(`"contact": [{"relationship": [{"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}]}]`), nil},
		{"unknown, told once", aPatient(`"language": "green", "communication": [{"language": {"coding": [{"system": "http://example.org/other", "code": "g"}]}}]`), []found{unknown}},
		{"no code at all", aPatient(`"multipleBirthInteger": 2`), nil},
	})
}

func TestInvariants(t *testing.T) {
	run(t, "Patient", `{"invariants": [
		{"key": "x-1", "severity": "error", "human": "A name has a part.", "expression": "nobody.knows()"}
	], "children": [{"name": "identifier", "invariants": [
		{"key": "ihi-0", "severity": "error", "human": "IHI prefix is 800360", "expression": "value.startsWith('800360')"}
	]}]}`, nil, []ruleCase{
		{"holds, and unknown told once", aPatient(`"identifier": [{"value": "800360"}]`), []found{
			{fhir.SeverityInformation, fhir.CodeInformational, "Patient", "x-1", "p"}}},
		{"fails", aPatient(`"identifier": [{"value": "800360"}, {"value": "1"}]`), []found{
			{fhir.SeverityInformation, fhir.CodeInformational, "Patient", "x-1", "p"},
			fault(fhir.CodeInvariant, "ihi-0", "Patient.identifier[1]")}},
	})
}

func TestProfilesOfTypes(t *testing.T) {
	others := tables{
		"red":  `{"type": "Identifier", "root": {"children": [{"name": "system", "min": 1, "fixed": "http://example.org/red"}, {"name": "value", "min": 1}]}}`,
		"blue": `{"type": "Identifier", "root": {"children": [{"name": "system", "min": 1, "fixed": "http://example.org/blue"}, {"name": "value", "min": 1}]}}`,
	}
	of := func(profile string, f found) found {
		f.Profile = profile
		return f
	}
	run(t, "Patient", `{"children": [{"name": "identifier", "profiles": ["`+at+`red"]}]}`, others, []ruleCase{
		{"conforms", aPatient(`"identifier": [{"system": "http://example.org/red", "value": "1"}]`), nil},
		{"its own issues", aPatient(`"identifier": [{"system": "http://example.org/red"}]`), []found{
			of("red", fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.identifier[0].value"))}},
	})
	run(t, "Patient", `{"children": [{"name": "identifier", "profiles": ["`+at+`red", "`+at+`blue"]}]}`, others, []ruleCase{
		{"conforms to one of two", aPatient(`"identifier": [{"system": "http://example.org/blue", "value": "1"}]`), nil},
		{"the issues of the one that it can be", aPatient(`"identifier": [{"system": "http://example.org/blue"}]`), []found{
			of("blue", fault(fhir.CodeRequired, profile.RuleCardinality, "Patient.identifier[0].value"))}},
		{"neither", aPatient(`"identifier": [{"value": "1"}]`), []found{fault(fhir.CodeValue, profile.RuleProfile, "Patient.identifier[0]")}},
	})
	run(t, "Patient", `{"children": [{"name": "identifier", "profiles": ["`+at+`red", "http://example.org/not-held"]}]}`, others, []ruleCase{
		{"one that is not held may hold", aPatient(`"identifier": [{"value": "1"}]`), nil},
	})
}

func TestTargets(t *testing.T) {
	others := tables{
		"named":    `{"type": "Organization", "root": {"children": [{"name": "name", "min": 1}]}}`,
		"tighter":  `{"type": "Organization", "base": "` + at + `named", "root": {"children": [{"name": "name", "min": 1}, {"name": "type", "min": 1}]}}`,
		"circular": `{"type": "Organization", "root": {"children": [{"name": "partOf", "targets": ["` + at + `circular"]}]}}`,
	}
	reference := func(reference, contained string) string {
		text := `"managingOrganization": ` + reference
		if contained != "" {
			text += `, "contained": [` + contained + `]`
		}
		return aPatient(text)
	}
	wrong := []found{fault(fhir.CodeValue, profile.RuleTarget, "Patient.managingOrganization")}
	run(t, "Patient", `{"children": [{"name": "managingOrganization", "targets": ["Group", "`+at+`named"]}]}`, others, []ruleCase{
		{"of a plain type", reference(`{"reference": "Group/1"}`, ""), nil},
		{"of a profile's type, elsewhere", reference(`{"reference": "https://example.org/fhir/Organization/1/_history/2"}`, ""), nil},
		{"of an unknown type", reference(`{"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}`, ""), nil},
		{"logical", reference(`{"identifier": {"value": "1"}}`, ""), nil},
		{"another type by its reference", reference(`{"reference": "Patient/1"}`, ""), wrong},
		{"another type by its URL", reference(`{"reference": "https://example.org/fhir/Patient/1"}`, ""), wrong},
		{"another type by Reference.type", reference(`{"type": "Patient", "display": "x"}`, ""), wrong},
		{"another type in the document", reference(`{"reference": "#a"}`, `{"resourceType": "Patient", "id": "a"}`), wrong},
		{"conforms", reference(`{"reference": "#a"}`, `{"resourceType": "Organization", "id": "a", "name": "x"}`), nil},
		{"does not conform", reference(`{"reference": "#a"}`, `{"resourceType": "Organization", "id": "a"}`), wrong},
		{"claims to, which is checked where it stands", reference(`{"reference": "#a"}`, `{"resourceType": "Organization", "id": "a", "meta": {"profile": ["`+at+`named"]}}`), nil},
		{"claims what derives from it", reference(`{"reference": "#a"}`, `{"resourceType": "Organization", "id": "a", "meta": {"profile": ["`+at+`tighter"]}}`), nil},
	})
	run(t, "Patient", `{"children": [{"name": "managingOrganization", "targets": ["`+at+`circular"]}]}`, others, []ruleCase{
		{"in a circle", reference(`{"reference": "#a"}`, `{"resourceType": "Organization", "id": "a", "partOf": {"reference": "#b"}}, {"resourceType": "Organization", "id": "b", "partOf": {"reference": "#a"}}`), nil},
		{"at the end of a chain", reference(`{"reference": "#a"}`, `{"resourceType": "Organization", "id": "a", "partOf": {"reference": "#b"}}, {"resourceType": "Organization", "id": "b", "partOf": {"reference": "Patient/1"}}`), wrong},
	})
}

// TestTargetTellsWhy tells the first fault of a resource that does not conform to the one profile that it must.
func TestTargetTellsWhy(t *testing.T) {
	all := tables{
		"p":     `{"type": "Patient", "root": {"children": [{"name": "managingOrganization", "targets": ["` + at + `named"]}]}}`,
		"named": `{"type": "Organization", "root": {"children": [{"name": "name", "min": 1}]}}`,
	}
	issues := all.check(t, "p", aPatient(`"managingOrganization": {"reference": "#a"}, "contained": [{"resourceType": "Organization", "id": "a"}]`))
	if want := "name is required by named"; len(issues) != 1 || !strings.Contains(issues[0].Details, want) {
		t.Errorf("got %v, want one that says %q", issues, want)
	}
}

func TestExtensions(t *testing.T) {
	all := tables{"colour": `{"type": "Extension", "contexts": ["Patient", "HumanName.given"], "root": {"children": [
		{"name": "extension", "max": 0}, {"name": "value[x]", "min": 1, "types": ["code"]}]}}`}
	cases := []struct {
		name, extension, context string
		known                    bool
		want                     []found
	}{
		{"conforms", `{"url": "` + at + `colour", "valueCode": "red"}`, "Patient", true, nil},
		{"elsewhere", `{"url": "` + at + `colour", "valueCode": "red"}`, "Address", true, []found{
			{fhir.SeverityError, fhir.CodeExtension, "X.extension", profile.RuleContext, "colour"}}},
		{"of another type", `{"url": "` + at + `colour", "valueString": "red"}`, "HumanName.given", true, []found{
			{fhir.SeverityError, fhir.CodeStructure, "X.extension.value", profile.RuleType, "colour"}}},
		{"without a value", `{"url": "` + at + `colour", "extension": [{"url": "a", "valueCode": "b"}]}`, "Patient", true, []found{
			{fhir.SeverityError, fhir.CodeStructure, "X.extension.extension", profile.RuleCardinality, "colour"},
			{fhir.SeverityError, fhir.CodeRequired, "X.extension.value", profile.RuleCardinality, "colour"}}},
		{"not held", `{"url": "http://example.org/other", "valueCode": "red"}`, "Patient", false, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			checker, _ := all.checker(t)
			v := parse(t, c.extension)
			document := element.NewDocument(v)
			session := checker.Session(document)
			known := session.Extension(document.Root(), v, func() string { return "X.extension" }, c.context)
			if known != c.known {
				t.Errorf("known: got %v, want %v", known, c.known)
			}
			if diff := diffFindings(c.want, session.Issues); diff != "" {
				t.Errorf("issues (-want +got)\n%s", diff)
			}
		})
	}
}

// TestResourceOfABundle holds the resource of an entry against a profile of the Bundle, with the entry's scope.
func TestResourceOfABundle(t *testing.T) {
	others := tables{"named": `{"type": "Patient", "root": {"children": [
		{"name": "name", "min": 1}, {"name": "managingOrganization", "targets": ["Organization"]}]}}`}
	const organization = `{"fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e1", "resource": {"resourceType": "Organization", "name": "x"}}`
	bundle := func(resource string) string {
		return `{"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "resource": ` + resource + `}, ` + organization + `]}`
	}
	run(t, "Bundle", `{"children": [{"name": "entry", "slicing": {"rules": "open", "discriminators": [{"type": "type", "path": "resource"}]}, "slices": [
		{"name": "entry", "slice": "patient", "min": 1, "max": 1, "children": [{"name": "resource", "min": 1, "profiles": ["`+at+`named"]}]},
		{"name": "entry", "slice": "team", "children": [{"name": "fullUrl", "min": 1}, {"name": "resource", "min": 1, "types": ["CareTeam"]}]}
	]}]}`, others, []ruleCase{
		{"conforms", bundle(aPatient(`"name": [{"text": "A"}], "managingOrganization": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e1"}`)), nil},
		{"its faults", bundle(aPatient(`"managingOrganization": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}`)), []found{
			{fhir.SeverityError, fhir.CodeRequired, "Bundle.entry[0].resource.name", profile.RuleCardinality, "named"},
			{fhir.SeverityError, fhir.CodeValue, "Bundle.entry[0].resource.managingOrganization", profile.RuleTarget, "named"}}},
		{"of a slice that only names its type", bundle(`{"resourceType": "Patient", "name": [{"text": "A"}]}, "search": {"mode": "match"}}, {"resource": {"resourceType": "CareTeam"}`), []found{
			fault(fhir.CodeRequired, profile.RuleCardinality, "Bundle.entry[1].fullUrl")}},
		{"missing", bundle(`{"resourceType": "Group"}`), []found{fault(fhir.CodeRequired, profile.RuleCardinality, "Bundle.entry")}},
	})
}

func TestProfileOfAnotherType(t *testing.T) {
	run(t, "Group", `{}`, nil, []ruleCase{
		{"claimed", aPatient(``), []found{fault(fhir.CodeStructure, profile.RuleProfile, "Patient")}},
	})
}

func TestLenientErrorsAreWarnings(t *testing.T) {
	all := tables{"p": `{"type": "Patient", "root": {"children": [{"name": "name", "min": 1}]}}`}
	checker, library := all.checker(t)
	document := element.NewDocument(parse(t, aPatient(``)))
	root := document.Root()
	session := checker.Session(document)
	session.Resource(root, root.Resource, root.Resource.ResourceType, library.Profile(at+"p"), true)
	want := []found{{fhir.SeverityWarning, fhir.CodeRequired, "Patient.name", profile.RuleCardinality, "p"}}
	if diff := diffFindings(want, session.Issues); diff != "" {
		t.Errorf("issues (-want +got)\n%s", diff)
	}
}
