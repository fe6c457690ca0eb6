package invariant

import "github.com/ausbizconsulting/referral-fhir-server/schemas/element"

// ipsRules are the rules of the International Patient Summary (hl7.fhir.uv.ips) and of AU Patient Summary, which
// repeats some and refers to others.
func ipsRules() []rule {
	return []rule{
		{"bdl-ips-1", "entry.tail().where(resource is Composition).empty()", oneComposition},
		{"ips-pat-1", "family.exists() or given.exists() or text.exists()", or(exists("family"), exists("given"), exists("text"))},
		{"ips-comp-1", "(entry.reference.exists() or emptyReason.exists())", or(exists("entry.reference"), exists("emptyReason"))},
		{"ips-1", "$this.ofType(dateTime).empty() or ($this as dateTime).toString().length() >= 8", preciseToDay(8)},
		{"ips-2", "value.exists() or hasMember.exists() or component.exists() or dataAbsentReason.exists()",
			or(exists("value[x]"), exists("hasMember"), exists("component"), exists("dataAbsentReason"))},
		{"ips-3", "component.exists() implies (component.value.exists() or component.dataAbsentReason.exists())",
			implies(exists("component"), or(exists("component.value[x]"), exists("component.dataAbsentReason")))},
		{"hasMemberOrComponent", "hasMember.empty() or component.empty()", or(absent("hasMember"), absent("component"))},
	}
}

// oneComposition tells whether no entry but the first is a Composition.
func oneComposition(_ Env, e element.Element) answer {
	for i, entry := range e.All("entry") {
		if i > 0 && entry.Value.Get("resource").ResourceType() == "Composition" {
			return no
		}
	}
	return yes
}
