package invariant

import "github.com/ausbizconsulting/referral-fhir-server/schemas/element"

// conformanceRules are the rules of resources that describe systems, knowledge and evidence.
func conformanceRules() []rule {
	return []rule{
		// The expression is false for a resource without a name, and true for one that holds a good name somewhere; the
		// sentence, and FHIR R5, speak of a name that is there, and all of it.
		{"adf-0 cpb-0 cid-0 csd-0 cpd-0 cmd-0 ees-0 evd-0 evi-0 evv-0 esc-0 gdf-0 ig-0 inv-0 lib-0 mea-0 msd-0 nsd-0 opd-0 pdf-0 que-0 rsd-0 red-0 rvs-0 spd-0 sdf-0 smp-0 tcp-0 tst-0 vsd-0",
			"name.matches('[A-Z]([A-Za-z0-9_]){0,254}')",
			or(absent("name"), matches("name", `^[A-Z]([A-Za-z0-9_]){0,254}$`))},

		{"cpb-1", "rest.exists() or messaging.exists() or document.exists()",
			or(exists("rest"), exists("messaging"), exists("document"))},
		{"cpb-2 tcp-2", "(description.count() + software.count() + implementation.count()) > 0",
			or(exists("description"), exists("software"), exists("implementation"))},
		{"cpb-3", "messaging.endpoint.empty() or kind = 'instance'", or(absent("messaging.endpoint"), is("kind", "instance"))},
		{"cpb-7", "document.select(profile&mode).isDistinct()", documentsDistinct},
		{"cpb-9", "resource.select(type).isDistinct()", distinct("resource.type")},
		{"cpb-12", "searchParam.select(name).isDistinct()", distinct("searchParam.name")},
		{"cpb-14 tcp-3", "(kind != 'instance') or implementation.exists()",
			or(isNot("kind", "instance"), exists("implementation"))},
		{"cpb-15 tcp-4", "(kind != 'capability') or (implementation.exists().not() and software.exists())",
			or(isNot("kind", "capability"), and(absent("implementation"), exists("software")))},
		{"cpb-16 tcp-5", "(kind!='requirements') or (implementation.exists().not() and software.exists().not())",
			or(isNot("kind", "requirements"), and(absent("implementation"), absent("software")))},
		{"tcp-1", "version.count() > 1 implies version.all(code.exists())",
			implies(counts(moreThanOne, "version"), all("version", exists("code")))},

		{"ig-1", "resource.groupingId.all(%context.grouping.id contains $this)", among("resource.groupingId", "grouping.id")},
		{"ig-2", "definition.resource.fhirVersion.all(%context.fhirVersion contains $this)",
			among("definition.resource.fhirVersion", "fhirVersion")},
		{"md-1", "max='*' or (max.toInteger() > 0)", or(is("max", "*"), integer("max", positive))},
		{"opd-1", "type.exists() or part.exists()", or(exists("type"), exists("part"))},
		{"opd-2", "searchType.exists() implies type = 'string'", implies(exists("searchType"), is("type", "string"))},
		{"opd-3", "targetProfile.exists() implies (type = 'Reference' or type = 'canonical')",
			implies(exists("targetProfile"), is("type", "Reference", "canonical"))},
		{"spd-1", "xpath.empty() or xpathUsage.exists()", or(absent("xpath"), exists("xpathUsage"))},
		{"spd-2", "chain.empty() or type = 'reference'", or(absent("chain"), is("type", "reference"))},
		{"smp-1", "element.exists() implies context.exists()", implies(exists("element"), exists("context"))},
		{"smp-2", "context.exists() implies contextType.exists()", implies(exists("context"), exists("contextType"))},

		{"mea-1", "group.stratifier.all((code | description | criteria).exists() xor component.exists())",
			all("group.stratifier", xor(or(exists("code"), exists("description"), exists("criteria")), exists("component")))},
		{"mrp-1", "(type != 'data-collection') or group.exists().not()", or(isNot("type", "data-collection"), absent("group"))},
		{"mrp-2", "group.stratifier.stratum.all(value.exists() xor component.exists())",
			all("group.stratifier.stratum", xor(exists("value"), exists("component")))},
	}
}

// documentsDistinct tells whether no profile stands twice in the same mode.
func documentsDistinct(_ Env, e element.Element) answer {
	var seen set
	for _, document := range e.All("document") {
		if !seen.add(document.Get("profile").Text() + document.Get("mode").Text()) {
			return no
		}
	}
	return yes
}

// among tells whether every text at one path stands at the other, too.
func among(at, allowed string) predicate {
	texts, from := parse(at), parse(allowed)
	return func(_ Env, e element.Element) answer {
		known := map[string]bool{}
		from.each(e, func(e element.Element) bool {
			known[e.Text()] = true
			return true
		})
		return of(texts.each(e, func(e element.Element) bool { return known[e.Text()] }))
	}
}
