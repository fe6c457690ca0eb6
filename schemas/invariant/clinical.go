package invariant

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

const (
	allergyVerification   = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
	conditionVerification = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
	conditionClinical     = "http://terminology.hl7.org/CodeSystem/condition-clinical"
	dataAbsentReason      = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
)

// clinicalRules are the rules of what is known of a patient: conditions, observations, medicines, documents.
func clinicalRules() []rule {
	allergyInError := coding("verificationStatus.coding", allergyVerification, "entered-in-error")
	conditionInError := coding("verificationStatus.coding", conditionVerification, "entered-in-error")
	valueOrReason := or(exists("value[x]"), exists("dataAbsentReason"))
	return []rule{
		{"ait-1", "verificationStatus.coding.where(system = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification' and code = 'entered-in-error').exists() or clinicalStatus.exists()",
			or(allergyInError, exists("clinicalStatus"))},
		{"ait-2", "verificationStatus.coding.where(system = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification' and code = 'entered-in-error').empty() or clinicalStatus.empty()",
			or(not(allergyInError), absent("clinicalStatus"))},

		{"con-1", "summary.exists() or assessment.exists()", or(exists("summary"), exists("assessment"))},
		{"con-2", "code.exists() or detail.exists()", or(exists("code"), exists("detail"))},
		// The expression compares a CodeableConcept with a string, and so warns whatever the category is; the sentence
		// speaks of category problem-list-item.
		{"con-3", "clinicalStatus.exists() or verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error').exists() or category.select($this='problem-list-item').empty()",
			or(exists("clinicalStatus"), conditionInError, not(coding("category.coding", "", "problem-list-item")))},
		{"con-4", "abatement.empty() or clinicalStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-clinical' and (code='resolved' or code='remission' or code='inactive')).exists()",
			or(absent("abatement[x]"), coding("clinicalStatus.coding", conditionClinical, "resolved", "remission", "inactive"))},
		{"con-5", "verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code='entered-in-error').empty() or clinicalStatus.empty()",
			or(not(conditionInError), absent("clinicalStatus"))},

		{"obs-3", "low.exists() or high.exists() or text.exists()", or(exists("low"), exists("high"), exists("text"))},
		{"obs-6", "dataAbsentReason.empty() or value.empty()", or(absent("dataAbsentReason"), absent("value[x]"))},
		{"obs-7", "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()",
			or(absent("value[x]"), noComponentRepeatsCode)},
		{"vs-1", "($this as dateTime).toString().length() >= 8", preciseToDay(8)},
		{"vs-1", "$this is dateTime implies $this.toString().length() >= 10", preciseToDay(10)},
		{"vs-2 au-core-obs-01", "(component.empty() and hasMember.empty()) implies (dataAbsentReason.exists() or value.exists())",
			implies(and(absent("component"), absent("hasMember")), valueOrReason)},
		{"vs-3 au-core-obs-03", "value.exists() or dataAbsentReason.exists()", valueOrReason},

		{"fhs-1", "age.empty() or born.empty()", or(absent("age[x]"), absent("born[x]"))},
		{"fhs-2", "age.exists() or estimatedAge.empty()", or(exists("age[x]"), absent("estimatedAge"))},
		{"imm-1", "documentType.exists() or reference.exists()", or(exists("documentType"), exists("reference"))},
		{"imr-1", "vaccineCode.exists() or targetDisease.exists()", or(exists("vaccineCode"), exists("targetDisease"))},
		{"mad-1", "dose.exists() or rate.exists()", or(exists("dose"), exists("rate[x]"))},
		{"mdd-1", "whenHandedOver.empty() or whenPrepared.empty() or whenHandedOver >= whenPrepared",
			or(absent("whenHandedOver"), absent("whenPrepared"), notAfter("whenPrepared", "whenHandedOver"))},
		// For a prediction without a probability the expression is empty, and so false; the sentence limits a number.
		{"ras-2", "probability is decimal implies (probability as decimal) <= 100",
			or(absent("probability[x]"), exists("probabilityRange"), number("probabilityDecimal", "100", notPositive))},
		{"ras-1", "(low.empty() or ((low.code = '%') and (low.system = %ucum))) and (high.empty() or ((high.code = '%') and (high.system = %ucum)))",
			and(or(absent("low"), percent("low")), or(absent("high"), percent("high")))},
		{"msq-3", "coordinateSystem = 1 or coordinateSystem = 0", text("coordinateSystem", isZeroOrOne)},
		{"msq-5", "(chromosome.empty() and genomeBuild.empty()) or (chromosome.exists() and genomeBuild.exists())",
			same(exists("chromosome"), exists("genomeBuild"))},
		{"msq-6", "(genomeBuild.count()+referenceSeqId.count()+ referenceSeqPointer.count()+ referenceSeqString.count()) = 1",
			counts(exactly(1), "genomeBuild", "referenceSeqId", "referenceSeqPointer", "referenceSeqString")},

		{"cmp-1", "text.exists() or entry.exists() or section.exists()", or(exists("text"), exists("entry"), exists("section"))},
		{"cmp-2 lst-1", "emptyReason.empty() or entry.empty()", or(absent("emptyReason"), absent("entry"))},
		{"lst-2", "mode = 'changes' or entry.deleted.empty()", or(is("mode", "changes"), absent("entry.deleted"))},
		{"lst-3", "mode = 'working' or entry.date.empty()", or(is("mode", "working"), absent("entry.date"))},
	}
}

// preciseToDay tells whether effective[x], where it is a date and has a value, names a day: so says the sentence, where
// the expressions are empty for a Period or for extensions alone.
func preciseToDay(length int) predicate {
	long := longer(length)
	return func(env Env, e element.Element) answer {
		if !e.HasValue() {
			return yes
		}
		return long(env, e)
	}
}

func percent(at string) predicate { return and(is(at+".code", "%"), is(at+".system", ucum)) }

func isZeroOrOne(s string) bool { return s == "0" || s == "1" }

// noComponentRepeatsCode tells whether no component has a coding of the Observation itself, the whole of it equal.
func noComponentRepeatsCode(_ Env, e element.Element) answer {
	own := map[string]bool{}
	for _, coding := range e.Get("code").All("coding") {
		own[canonical(coding.Value)] = true
	}
	for _, component := range e.All("component") {
		for _, coding := range component.Get("code").All("coding") {
			if own[canonical(coding.Value)] {
				return no
			}
		}
	}
	return yes
}

// canonical is the same text for all JSON values that are equal: with members in the order of their names.
func canonical(v *fhir.Value) string {
	var parts []string
	switch v.Kind() {
	case fhir.Object:
		for i := range v.Items() {
			parts = append(parts, strconv.Quote(v.Items()[i].Name())+":"+canonical(&v.Items()[i]))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case fhir.Array:
		for i := range v.Items() {
			parts = append(parts, canonical(&v.Items()[i]))
		}
		return "[" + strings.Join(parts, ",") + "]"
	default:
		return v.Kind().String() + strconv.Quote(v.Text())
	}
}
