package invariant

import (
	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

const snomed = "http://snomed.info/sct"

// auCoreRules are the rules of AU Core (hl7.fhir.au.core), of which AU Patient Summary and AU eRequesting make use.
func auCoreRules() []rule {
	named := or(exists("text"), exists("family"), exists("given"))
	reasonGiven := hasExtension("", dataAbsentReason)
	completeIdentifier := one("identifier", counts(moreThanOne, "system", "value"))
	return []rule{
		{"au-core-pat-01", "(identifier.where(system.count() + value.count() >1)).exists() xor identifier.extension('http://hl7.org/fhir/StructureDefinition/data-absent-reason').exists()",
			xor(completeIdentifier, hasExtension("identifier", dataAbsentReason))},
		{"au-core-pat-02", "name.family.exists() xor name.extension('http://hl7.org/fhir/StructureDefinition/data-absent-reason').exists()",
			xor(exists("name.family"), hasExtension("name", dataAbsentReason))},
		{"au-core-pat-03", "(text.exists() or family.exists() or given.exists()) xor extension('http://hl7.org/fhir/StructureDefinition/data-absent-reason').exists()",
			xor(named, reasonGiven)},
		{"au-core-prarol-01", "(reference.exists() or identifier.exists() or display.exists()) xor extension('http://hl7.org/fhir/StructureDefinition/data-absent-reason').exists()",
			xor(or(exists("reference"), exists("identifier"), exists("display")), reasonGiven)},
		{"au-core-relper-01", "name.exists() or relationship.exists()", or(exists("name"), exists("relationship"))},
		{"au-core-relper-02", "name.exists() implies name.extension('http://hl7.org/fhir/StructureDefinition/data-absent-reason').exists() xor name.all(text.exists() or family.exists() or given.exists())",
			implies(exists("name"), xor(hasExtension("name", dataAbsentReason), all("name", named)))},
		{"au-core-org-01", "type.coding.where(code='NOI').exists() implies ((system='http://ns.electronichealth.net.au/id/hi/hpio/1.0') or (system='http://ns.electronichealth.net.au/id/pcehr/paio/1.0'))",
			implies(coding("type.coding", "", "NOI"),
				is("system", "http://ns.electronichealth.net.au/id/hi/hpio/1.0", "http://ns.electronichealth.net.au/id/pcehr/paio/1.0"))},
		{"au-core-loc-01", "address.exists() or type.exists() or identifier.where(system.count() + value.count() >1).exists()",
			or(exists("address"), exists("type"), completeIdentifier)},

		{"au-core-cond-01 au-core-pro-01 au-core-obs-01 au-core-obs-02 au-core-obs-04", "coding.exists() implies coding.where(system='http://snomed.info/sct').exists()",
			implies(exists("coding"), one("coding", is("system", snomed)))},
		{"au-core-obs-01", "dataAbsentReason.exists() or value.exists()", or(exists("dataAbsentReason"), exists("value[x]"))},
		{"au-core-obs-02", "(($this is dateTime implies $this.toString().length() >= 10) and extension('http://hl7.org/fhir/StructureDefinition/data-absent-reason').value.exists().not()) xor ($this is dateTime implies ($this.hasValue().not() and extension('http://hl7.org/fhir/StructureDefinition/data-absent-reason').value.exists()))",
			effectiveDayOrReason},
		{"au-core-medreq-01", "$this.hasValue() implies (extension('http://hl7.org/fhir/StructureDefinition/data-absent-reason').value.exists().not() and $this.toString().length() >= 10)",
			implies(hasValue(""), and(not(reasonStated), longer(10)))},
	}
}

// reasonStated tells whether an element has a data absent reason with a value.
func reasonStated(_ Env, e element.Element) answer {
	value, _ := e.Extension(dataAbsentReason).Choice("value")
	return of(value.Exists())
}

// effectiveDayOrReason tells whether effective[x], where it is a date, has the day or says why there is none. The
// expression fails every Period, of which the sentence says nothing.
func effectiveDayOrReason(env Env, e element.Element) answer {
	if e.Value.Kind() == fhir.Object {
		return yes
	}
	stated := reasonStated(env, e) == yes
	return of(longer(10)(env, e) == yes && !stated || !e.HasValue() && stated)
}
