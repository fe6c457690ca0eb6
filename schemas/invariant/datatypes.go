package invariant

import (
	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/narrative"
)

const ucum = "http://unitsofmeasure.org"

// datatypeRules are the rules of FHIR R4 datatypes.html, references.html and narrative.html.
func datatypeRules() []rule {
	return []rule{
		{"age-1", "(code.exists() or value.empty()) and (system.empty() or system = %ucum) and (value.empty() or value.hasValue().not() or value > 0)",
			and(codedUnit, ucumOrNone, or(absent("value"), not(hasValue("value")), number("value", "0", positive)))},
		{"cnt-3", "(code.exists() or value.empty()) and (system.empty() or system = %ucum) and (code.empty() or code = '1') and (value.empty() or value.hasValue().not() or value.toString().contains('.').not())",
			and(codedUnit, ucumOrNone, or(absent("code"), is("code", "1")),
				or(absent("value"), not(hasValue("value")), not(contains("value", "."))))},
		{"dis-1", "(code.exists() or value.empty()) and (system.empty() or system = %ucum)", and(codedUnit, ucumOrNone)},
		{"drt-1", "code.exists() implies ((system = %ucum) and value.exists())",
			implies(exists("code"), and(is("system", ucum), exists("value")))},
		{"mqty-1", "(code.exists() or value.empty()) and (system.empty() or system = 'urn:iso:std:iso:4217')",
			and(codedUnit, or(absent("system"), is("system", "urn:iso:std:iso:4217")))},
		{"sqty-1", "comparator.empty()", absent("comparator")},
		{"qty-3 vsd-10", "code.empty() or system.exists()", or(absent("code"), exists("system"))},

		{"att-1", "data.empty() or contentType.exists()", or(absent("data"), exists("contentType"))},
		{"cpt-2", "value.empty() or system.exists()", or(absent("value"), exists("system"))},
		{"drq-1 drq-2", "path.exists() xor searchParam.exists()", xor(exists("path"), exists("searchParam"))},
		{"exp-1", "expression.exists() or reference.exists()", or(exists("expression"), exists("reference"))},
		{"rng-2", "low.empty() or high.empty() or (low <= high)",
			or(absent("low"), absent("high"), quantityNotAbove("low", "high"))},
		{"rat-1", "(numerator.empty() xor denominator.exists()) and (numerator.exists() or extension.exists())",
			and(xor(absent("numerator"), exists("denominator")), or(exists("numerator"), exists("extension")))},
		// A reference without the element reference (an identifier, a display) breaks nothing, and in a contained
		// resource # alone is its container (FHIR R4 references.html#contained): the expression overlooks both.
		{"ref-1", "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))",
			or(absent("reference"), not(startsWith("reference", "#")), localTarget)},
		{"txt-1 txt-2", "htmlChecks()", text("", func(div string) bool { return len(narrative.Check(div)) == 0 })},
	}
}

// codedUnit is (code.exists() or value.empty()).
func codedUnit(_ Env, e element.Element) answer { return of(e.Has("code") || !e.Has("value")) }

// ucumOrNone is (system.empty() or system = %ucum).
func ucumOrNone(_ Env, e element.Element) answer {
	return of(!e.Has("system") || e.Get("system").Text() == ucum)
}

// localTarget tells whether a reference that begins with # leads to a resource that is contained, or to the container.
func localTarget(env Env, e element.Element) answer {
	reference := e.Get("reference").Text()
	if reference == "#" {
		return of(env.Resource != env.Root)
	}
	target, _ := env.Resolve(reference)
	return of(target != nil)
}

// timingRules are those of Period, Timing and TriggerDefinition.
func timingRules() []rule {
	return []rule{
		{"per-1", "start.hasValue().not() or end.hasValue().not() or (start <= end)",
			or(not(hasValue("start")), not(hasValue("end")), notAfter("start", "end"))},

		{"tim-1", "duration.empty() or durationUnit.exists()", or(absent("duration"), exists("durationUnit"))},
		{"tim-2", "period.empty() or periodUnit.exists()", or(absent("period"), exists("periodUnit"))},
		{"tim-4", "duration.exists() implies duration >= 0", implies(exists("duration"), number("duration", "0", notNegative))},
		{"tim-5", "period.exists() implies period >= 0", implies(exists("period"), number("period", "0", notNegative))},
		{"tim-6", "periodMax.empty() or period.exists()", or(absent("periodMax"), exists("period"))},
		{"tim-7", "durationMax.empty() or duration.exists()", or(absent("durationMax"), exists("duration"))},
		{"tim-8", "countMax.empty() or count.exists()", or(absent("countMax"), exists("count"))},
		// FHIRPath has in() for a single code only; when repeats.
		{"tim-9", "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))",
			or(absent("offset"), and(exists("when"), none("when", is("", "C", "CM", "CD", "CV"))))},
		{"tim-10", "timeOfDay.empty() or when.empty()", or(absent("timeOfDay"), absent("when"))},

		{"trd-1", "data.empty() or timing.empty()", or(absent("data"), absent("timing[x]"))},
		{"trd-2", "condition.exists() implies data.exists()", implies(exists("condition"), exists("data"))},
		{"trd-3", "(type = 'named-event' implies name.exists()) and (type = 'periodic' implies timing.exists()) and (type.startsWith('data-') implies data.exists())",
			and(implies(is("type", "named-event"), exists("name")), implies(is("type", "periodic"), exists("timing[x]")),
				implies(startsWith("type", "data-"), exists("data")))},
	}
}
