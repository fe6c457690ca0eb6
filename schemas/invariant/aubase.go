package invariant

import "github.com/ausbizconsulting/referral-fhir-server/schemas/element"

const (
	genderIdentity      = "http://hl7.org/fhir/StructureDefinition/individual-genderIdentity"
	pronouns            = "http://hl7.org/fhir/StructureDefinition/individual-pronouns"
	recordedSexOrGender = "http://hl7.org/fhir/StructureDefinition/individual-recordedSexOrGender"
	birthTime           = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
	noFixedAddress      = "http://hl7.org.au/fhir/StructureDefinition/no-fixed-address"
)

// auBaseRules are the rules of AU Base (hl7.fhir.au.base) but for those of identifiers.
func auBaseRules() []rule {
	hasNoFixedAddress := hasExtension("", noFixedAddress)
	return []rule{
		{"inv-pat-0", "birthDate.extension('http://hl7.org/fhir/StructureDefinition/patient-birthTime').exists() implies birthDate.extension('http://hl7.org/fhir/StructureDefinition/patient-birthTime').value.toString().substring(0,10) = birthDate.toString()",
			implies(hasExtension("birthDate", birthTime), birthTimeOnBirthDate)},
		{"inv-pat-1 inv-pra-0 inv-relper-0", "extension('http://hl7.org/fhir/StructureDefinition/individual-genderIdentity').extension('value').empty() or extension('http://hl7.org/fhir/StructureDefinition/individual-genderIdentity').extension('value').value.all(memberOf('https://healthterminologies.gov.au/fhir/ValueSet/gender-identity-response-1'))",
			nestedMemberOf(genderIdentity, "value", "value[x]", "https://healthterminologies.gov.au/fhir/ValueSet/gender-identity-response-1")},
		{"inv-pat-2 inv-pra-1 inv-relper-1", "extension('http://hl7.org/fhir/StructureDefinition/individual-pronouns').empty() or extension('http://hl7.org/fhir/StructureDefinition/individual-pronouns').extension('value').value.all(memberOf('https://healthterminologies.gov.au/fhir/ValueSet/australian-pronouns-1'))",
			nestedMemberOf(pronouns, "value", "value[x]", "https://healthterminologies.gov.au/fhir/ValueSet/australian-pronouns-1")},
		{"inv-pat-3 inv-pra-2 inv-relper-2", "extension('http://hl7.org/fhir/StructureDefinition/individual-recordedSexOrGender').extension('type').empty() or extension('http://hl7.org/fhir/StructureDefinition/individual-recordedSexOrGender').extension('type').value.all(memberOf('http://terminology.hl7.org.au/ValueSet/rsg-type'))",
			nestedMemberOf(recordedSexOrGender, "type", "value[x]", "http://terminology.hl7.org.au/ValueSet/rsg-type")},
		{"inv-pat-4 inv-pra-3 inv-relper-3", "extension('http://hl7.org/fhir/StructureDefinition/individual-recordedSexOrGender').extension('sourceDocument').empty() or extension('http://hl7.org/fhir/StructureDefinition/individual-recordedSexOrGender').extension('sourceDocument').value.ofType(CodeableConcept).all(memberOf('http://terminology.hl7.org.au/ValueSet/rsg-source-document-type'))",
			nestedMemberOf(recordedSexOrGender, "sourceDocument", "valueCodeableConcept", "http://terminology.hl7.org.au/ValueSet/rsg-source-document-type")},
		{"inv-pat-5 inv-pra-4 inv-relper-4", "extension('http://hl7.org/fhir/StructureDefinition/individual-recordedSexOrGender').extension('jurisdiction').empty() or extension('http://hl7.org/fhir/StructureDefinition/individual-recordedSexOrGender').extension('jurisdiction').value.all(memberOf('http://terminology.hl7.org.au/ValueSet/jurisdiction-extended'))",
			nestedMemberOf(recordedSexOrGender, "jurisdiction", "value[x]", "http://terminology.hl7.org.au/ValueSet/jurisdiction-extended")},
		{"inv-pat-6 inv-pra-5 inv-relper-5", "extension('http://hl7.org/fhir/StructureDefinition/individual-recordedSexOrGender').extension('source').empty() or extension('http://hl7.org/fhir/StructureDefinition/individual-recordedSexOrGender').extension('source').value.ofType(CodeableConcept).all(memberOf('http://terminology.hl7.org.au/ValueSet/rsg-source'))",
			nestedMemberOf(recordedSexOrGender, "source", "valueCodeableConcept", "http://terminology.hl7.org.au/ValueSet/rsg-source")},

		{"inv-add-0", "text.exists() or line.exists()", or(exists("text"), exists("line"))},
		{"inv-add-1", "extension('http://hl7.org.au/fhir/StructureDefinition/no-fixed-address').exists() implies type='physical'",
			implies(hasNoFixedAddress, is("type", "physical"))},
		{"inv-add-2", "extension('http://hl7.org.au/fhir/StructureDefinition/no-fixed-address').exists() implies text.startsWith('NO FIXED ADDRESS')",
			implies(hasNoFixedAddress, startsWith("text", "NO FIXED ADDRESS"))},
		{"inv-add-3", "matches('^[0-9]{4}$')", matches("", `^[0-9]{4}$`)},

		{"inv-bodstr-0", "location.exists() or description.exists() or image.exists()",
			or(exists("location"), exists("description"), exists("image"))},
		{"inv-idrout-0", "extension.where(url='routability-flag').value.single()=true implies extension.where(url='routability-preference').exists()",
			implies(one("extension", and(is("url", "routability-flag"), is("valueBoolean", "true"))),
				hasExtension("", "routability-preference"))},
		{"inv-obs-0", "value.exists() or dataAbsentReason.exists() or hasMember.exists() or component.value.exists() or component.dataAbsentReason.exists()",
			or(exists("value[x]"), exists("dataAbsentReason"), exists("hasMember"), exists("component.value[x]"), exists("component.dataAbsentReason"))},
		{"inv-obs-1", "bodySite.exists() implies extension('http://hl7.org/fhir/StructureDefinition/bodySite').empty()",
			implies(exists("bodySite"), not(hasExtension("", "http://hl7.org/fhir/StructureDefinition/bodySite")))},
	}
}

// birthTimeOnBirthDate tells whether the first ten characters of the birth time are the birth date.
func birthTimeOnBirthDate(_ Env, e element.Element) answer {
	date := e.Get("birthDate")
	at, _ := date.Extension(birthTime).Choice("value")
	if !date.HasValue() || !at.HasValue() {
		return empty
	}
	day := at.Text()
	return of(day[:min(len(day), len("2006-01-02"))] == date.Text())
}

// nestedMemberOf tells whether the values that stand in the extension nested of the extensions called url are in the
// value set.
func nestedMemberOf(url, nested, value, valueSet string) predicate {
	inSet := all(value, memberOf(valueSet))
	return all("extension", or(not(is("url", url)), all("extension", or(not(is("url", nested)), inSet))))
}
