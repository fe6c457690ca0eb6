package invariant

import "github.com/ausbizconsulting/referral-fhir-server/schemas/element"

// bundleRules are the rules of FHIR R4 bundle.html and parameters.html.
func bundleRules() []rule {
	isDocument := is("type", "document")
	asksInput := is("type", "batch", "transaction", "history")
	asksOutput := is("type", "batch-response", "transaction-response", "history")
	return []rule{
		{"bdl-1", "total.empty() or (type = 'searchset') or (type = 'history')",
			or(absent("total"), is("type", "searchset", "history"))},
		{"bdl-2", "entry.search.empty() or (type = 'searchset')", or(absent("entry.search"), is("type", "searchset"))},
		{"bdl-3", "entry.all(request.exists() = (%resource.type = 'batch' or %resource.type = 'transaction' or %resource.type = 'history'))",
			everyEntryHas("request", asksInput)},
		{"bdl-4", "entry.all(response.exists() = (%resource.type = 'batch-response' or %resource.type = 'transaction-response' or %resource.type = 'history'))",
			everyEntryHas("response", asksOutput)},
		{"bdl-5", "resource.exists() or request.exists() or response.exists()",
			or(exists("resource"), exists("request"), exists("response"))},
		{"bdl-7", "(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()",
			or(is("type", "history"), entriesDistinct)},
		// The expression is empty, and so false, for an entry without a fullUrl; FHIR R5 has mended it.
		{"bdl-8", "fullUrl.contains('/_history/').not()", or(absent("fullUrl"), not(contains("fullUrl", "/_history/")))},
		{"bdl-9", "type = 'document' implies (identifier.system.exists() and identifier.value.exists())",
			implies(isDocument, and(exists("identifier.system"), exists("identifier.value")))},
		{"bdl-10", "type = 'document' implies (timestamp.hasValue())", implies(isDocument, hasValue("timestamp"))},
		{"bdl-11", "type = 'document' implies entry.first().resource.is(Composition)",
			implies(isDocument, first("entry", first("resource", resourceIs("Composition"))))},
		{"bdl-12", "type = 'message' implies entry.first().resource.is(MessageHeader)",
			implies(is("type", "message"), first("entry", first("resource", resourceIs("MessageHeader"))))},

		{"inv-1", "(part.exists() and value.empty() and resource.empty()) or (part.empty() and (value.exists() xor resource.exists()))",
			or(and(exists("part"), absent("value[x]"), absent("resource")),
				and(absent("part"), xor(exists("value[x]"), exists("resource"))))},
	}
}

// everyEntryHas tells whether all entries have the child called name, or none, as the Bundle's type asks.
func everyEntryHas(name string, asked predicate) predicate {
	return func(env Env, e element.Element) answer {
		wanted := asked(env, e)
		return all("entry", same(exists(name), func(Env, element.Element) answer { return wanted }))(env, e)
	}
}

// entriesDistinct tells whether no fullUrl stands twice with the same version.
func entriesDistinct(_ Env, e element.Element) answer {
	var seen set
	for _, entry := range e.All("entry") {
		url := entry.Get("fullUrl")
		if url.HasValue() && !seen.add(url.Text()+entry.Value.At("resource", "meta", "versionId").Text()) {
			return no
		}
	}
	return yes
}
