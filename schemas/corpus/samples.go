package main

// primitives are values of the primitive types.
var primitives = map[string]any{
	"base64Binary": "U3ludGhldGlj", "boolean": true, "canonical": "http://example.org/synthetic", "code": "synthetic",
	"date": "2026-01-31", "dateTime": "2026-01-31T09:30:00+10:00", "decimal": 1.5, "id": "synthetic",
	"instant": "2026-01-31T09:30:00+10:00", "integer": 1, "markdown": "Synthetic", "oid": "urn:oid:2.999.1",
	"positiveInt": 1, "string": "Synthetic", "time": "09:30:00", "unsignedInt": 1, "uri": "http://example.org/synthetic",
	"url": "http://example.org/synthetic", "uuid": "urn:uuid:00000000-0000-4000-8000-000000000001",
	"xhtml": `<div xmlns="http://www.w3.org/1999/xhtml"><p>Synthetic</p></div>`,
}

// datatype returns a value of a datatype that means something on its own; for others an empty object.
func datatype(name string) map[string]any {
	switch name {
	case "Address":
		return map[string]any{"text": "1 Example Street, Sydney NSW 2000", "line": []any{"1 Example Street"}, "city": "Sydney",
			"state": "NSW", "postalCode": "2000", "country": "AU"}
	case "Annotation":
		return map[string]any{"text": "Synthetic"}
	case "Attachment":
		return map[string]any{"contentType": "text/plain", "data": "U3ludGhldGlj"}
	case "CodeableConcept":
		return map[string]any{"text": "Synthetic"}
	case "Coding":
		return map[string]any{"system": "http://example.org/codes", "code": "synthetic"}
	case "ContactPoint":
		return map[string]any{"system": "phone", "value": "0491570006"}
	case "Dosage":
		return map[string]any{"text": "One, twice a day"}
	case "HumanName":
		return map[string]any{"text": "Synthetic Example", "family": "Example", "given": []any{"Synthetic"}}
	case "Identifier":
		return map[string]any{"system": "http://example.org/identifiers", "value": "1"}
	case "Narrative":
		return map[string]any{"status": "generated", "div": primitives["xhtml"]}
	case "Period":
		return map[string]any{"start": "2026-01-01", "end": "2026-01-31"}
	case "Quantity", "SimpleQuantity", "Age", "Duration":
		return map[string]any{"value": 1.5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
	case "Range":
		return map[string]any{"low": datatype("Quantity")}
	case "Ratio":
		return map[string]any{"numerator": datatype("Quantity"), "denominator": datatype("Quantity")}
	case "Reference":
		return map[string]any{"display": "Synthetic"}
	case "Timing":
		return map[string]any{"code": map[string]any{"text": "Daily"}}
	default:
		return map[string]any{}
	}
}

// favourites are codes that go together, where the first of a value set would break a rule of the type, by element.
var favourites = map[string]string{
	"Condition.clinicalStatus":                                "resolved",
	"Condition.verificationStatus":                            "confirmed",
	"AllergyIntolerance.clinicalStatus":                       "active",
	"AllergyIntolerance.verificationStatus":                   "confirmed",
	"Observation.component.code":                              "85354-9", // not the Observation's own, obs-7
	"Observation.component.code.coding.code":                  "synthetic-part",
	"Observation-pregnancy-status-uv-ips.value.coding.system": "http://snomed.info/sct",
	"Observation-pregnancy-status-uv-ips.value.coding.code":   "77386006",
}

// leftOut are the elements that would break a rule of the type beside what else is made, by key.
var leftOut = map[string]bool{
	"Observation.dataAbsentReason":        true, // obs-6: there is a value
	"Observation.extension:bodyStructure": true, // inv-obs-1: there is a body site
	"Composition.section.emptyReason":     true, // cmp-2: there are entries
}

// extra are elements that are made although no profile need speak of them: a rule of the type asks for them, or they
// give something to break.
var extra = map[string][]string{
	"AllergyIntolerance":              {"clinicalStatus", "verificationStatus", "onset[x]", "recordedDate"},
	"BodyStructure":                   {"location"},
	"Composition":                     {"date", "status"},
	"Condition":                       {"clinicalStatus", "verificationStatus", "onset[x]", "abatement[x]", "recordedDate", "stage", "evidence"},
	"Condition.evidence":              {"code"},
	"Condition.stage":                 {"summary"},
	"Coverage":                        {"period"},
	"Encounter":                       {"period"},
	"HealthcareService":               {"availableTime"},
	"HealthcareService.availableTime": {"availableStartTime"},
	"Immunization":                    {"expirationDate"},
	"List":                            {"entry"},
	"Observation":                     {"issued", "referenceRange"},
	"Observation.referenceRange":      {"low"},
	"Organization":                    {"identifier", "name", "telecom", "address"},
	"Patient":                         {"active", "name", "telecom", "gender", "birthDate", "address", "contact"},
	"Patient.contact":                 {"name", "gender", "period"},
	"Practitioner":                    {"name", "gender", "birthDate", "telecom"},
	"RelatedPerson":                   {"name", "birthDate", "period"},
	"ServiceRequest":                  {"authoredOn", "occurrence[x]", "code"},
	"Task":                            {"authoredOn", "lastModified"},
}

// needed are the elements that a rule of the type asks for, though each of them may be missing.
var needed = map[string][]string{
	"AllergyIntolerance":    {"clinicalStatus"},
	"BodyStructure":         {"location"},
	"Condition":             {"clinicalStatus"},
	"Composition.section":   {"emptyReason"},
	"Location":              {"type"},
	"Observation":           {"value[x]"},
	"Observation.component": {"value[x]"},
	"Organization":          {"name"},
	"RelatedPerson":         {"relationship"},
}

// memberships are the value sets that invariants of AU Base ask for, by the end of the key of the concept.
var memberships = map[string]string{
	":recordedSexOrGender.extension:type.value":           rsg + "type",
	":recordedSexOrGender.extension:sourceDocument.value": rsg + "source-document-type",
	":recordedSexOrGender.extension:source.value":         rsg + "source",
	":recordedSexOrGender.extension:jurisdiction.value":   "http://terminology.hl7.org.au/ValueSet/jurisdiction-extended",
}

// rsg begins the canonical URLs of the value sets for recorded sex or gender.
const rsg = "http://terminology.hl7.org.au/ValueSet/rsg-"
