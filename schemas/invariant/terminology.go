package invariant

import "github.com/ausbizconsulting/referral-fhir-server/schemas/element"

// terminologyRules are the rules of code systems, value sets, maps and naming systems.
func terminologyRules() []rule {
	return []rule{
		{"csd-1", "concept.code.combine($this.descendants().concept.code).isDistinct()", conceptsDistinct},
		{"cmd-1", "comment.exists() or equivalence.empty() or ((equivalence != 'narrower') and (equivalence != 'inexact'))",
			or(exists("comment"), absent("equivalence"), not(is("equivalence", "narrower", "inexact")))},
		{"cmd-2", "(mode = 'fixed') implies code.exists()", implies(is("mode", "fixed"), exists("code"))},
		{"cmd-3", "(mode = 'other-map') implies url.exists()", implies(is("mode", "other-map"), exists("url"))},
		{"nsd-1", "kind != 'root' or uniqueId.all(type != 'uuid')",
			or(isNot("kind", "root"), all("uniqueId", isNot("type", "uuid")))},
		{"nsd-2", "uniqueId.where(preferred = true).select(type).isDistinct()", preferredDistinct},
		{"vsd-1", "valueSet.exists() or system.exists()", or(exists("valueSet"), exists("system"))},
		{"vsd-2", "(concept.exists() or filter.exists()) implies system.exists()",
			implies(or(exists("concept"), exists("filter")), exists("system"))},
		{"vsd-3", "concept.empty() or filter.empty()", or(absent("concept"), absent("filter"))},
		{"vsd-6", "code.exists() or display.exists()", or(exists("code"), exists("display"))},
		{"vsd-9", "code.exists() or abstract = true", or(exists("code"), is("abstract", "true"))},
	}
}

// conceptsDistinct tells whether no code stands twice in a CodeSystem, at whatever level.
func conceptsDistinct(_ Env, e element.Element) answer {
	var seen set
	result := yes
	visit := func(e element.Element) {
		for _, concept := range e.All("concept") {
			if code := concept.Get("code"); code.HasValue() && !seen.add(code.Text()) {
				result = no
			}
		}
	}
	visit(e)
	descendants(e, visit)
	return result
}

// preferredDistinct tells whether no type of id is preferred twice.
func preferredDistinct(_ Env, e element.Element) answer {
	var seen set
	for _, id := range e.All("uniqueId") {
		typ := id.Get("type")
		if id.Get("preferred").Text() == "true" && typ.HasValue() && !seen.add(typ.Text()) {
			return no
		}
	}
	return yes
}
