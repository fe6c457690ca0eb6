package invariant

import (
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
)

// elementDefinitionRules are the rules of FHIR R4 elementdefinition.html.
func elementDefinitionRules() []rule {
	return []rule{
		{"eld-1", "discriminator.exists() or description.exists()", or(exists("discriminator"), exists("description"))},
		{"eld-2", "min.empty() or max.empty() or (max = '*') or iif(max != '*', min <= max.toInteger())",
			or(absent("min"), absent("max"), is("max", "*"), minNotAboveMax)},
		{"eld-3", "empty() or ($this = '*') or (toInteger() >= 0)", or(is("", "*"), integer("", notNegative))},
		{"eld-4", "aggregation.empty() or (code = 'Reference') or (code = 'canonical')",
			or(absent("aggregation"), is("code", "Reference", "canonical"))},
		{"eld-5", "contentReference.empty() or (type.empty() and defaultValue.empty() and fixed.empty() and pattern.empty() and example.empty() and minValue.empty() and maxValue.empty() and maxLength.empty() and binding.empty())",
			or(absent("contentReference"), and(absent("type"), absent("defaultValue[x]"), absent("fixed[x]"),
				absent("pattern[x]"), absent("example"), absent("minValue[x]"), absent("maxValue[x]"), absent("maxLength"),
				absent("binding")))},
		{"eld-6", "fixed.empty() or (type.count() <= 1)", or(absent("fixed[x]"), counts(atMostOne, "type"))},
		{"eld-7", "pattern.empty() or (type.count() <= 1)", or(absent("pattern[x]"), counts(atMostOne, "type"))},
		{"eld-8", "pattern.empty() or fixed.empty()", or(absent("pattern[x]"), absent("fixed[x]"))},
		// select() yields an answer for every type that has a code, so that this is never broken.
		{"eld-11", "binding.empty() or type.code.empty() or type.select((code = 'code') or (code = 'Coding') or (code='CodeableConcept') or (code = 'Quantity') or (code = 'string') or (code = 'uri')).exists()",
			or(absent("binding"), absent("type.code"), exists("type.code"))},
		{"eld-12", "valueSet.exists() implies (valueSet.startsWith('http:') or valueSet.startsWith('https') or valueSet.startsWith('urn:'))",
			implies(exists("valueSet"), or(startsWith("valueSet", "http:"), startsWith("valueSet", "https"), startsWith("valueSet", "urn:")))},
		{"eld-13", "type.select(code).isDistinct()", distinct("type.code")},
		{"eld-14", "constraint.select(key).isDistinct()", distinct("constraint.key")},
		{"eld-15", "defaultValue.empty() or meaningWhenMissing.empty()", or(absent("defaultValue[x]"), absent("meaningWhenMissing"))},
		{"eld-16", `sliceName.empty() or sliceName.matches('^[a-zA-Z0-9\\/\\-_\\[\\]\\@]+$')`,
			or(absent("sliceName"), matches("sliceName", `^[a-zA-Z0-9/\-_\[\]@]+$`))},
		{"eld-17", "(code='Reference' or code = 'canonical') or targetProfile.empty()",
			or(is("code", "Reference", "canonical"), absent("targetProfile"))},
		{"eld-18", "(isModifier.exists() and isModifier) implies isModifierReason.exists()",
			implies(and(exists("isModifier"), is("isModifier", "true")), exists("isModifierReason"))},
		// matches() finds the pattern somewhere in the path; the sentences speak of the whole of it.
		{"eld-19", `path.matches('[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(\\:[^\\s\\.]+)?)*')`,
			matches("path", `^[^\s.,:;'"/|?!@#$%&*()\[\]{}]{1,64}(\.[^\s.,:;'"/|?!@#$%&*()\[\]{}]{1,64}(\[x\])?(:[^\s.]+)?)*$`)},
		{"eld-20", `path.matches('[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*')`,
			matches("path", `^[A-Za-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*(\[x])?)*$`)},
		{"eld-21", "expression.exists()", exists("expression")},
		{"eld-22", "sliceIsConstraining.exists() implies sliceName.exists()",
			implies(exists("sliceIsConstraining"), exists("sliceName"))},
	}
}

// integer holds a condition against how toInteger() compares with 0; empty where it is no integer.
func integer(at string, condition func(compared int) bool) predicate {
	p := parse(at)
	return func(_ Env, e element.Element) answer {
		n, err := strconv.Atoi(p.first(e).Text())
		if err != nil {
			return empty
		}
		return of(condition(n))
	}
}

func minNotAboveMax(_ Env, e element.Element) answer {
	least, errLeast := strconv.Atoi(e.Get("min").Text())
	most, errMost := strconv.Atoi(e.Get("max").Text())
	if errLeast != nil || errMost != nil {
		return empty
	}
	return of(least <= most)
}

// structureRules are the rules of FHIR R4 structuredefinition.html.
func structureRules() []rule {
	isRoot := not(contains("path", "."))
	isLogical := is("kind", "logical")
	isCore := startsWith("url", "http://hl7.org/fhir/StructureDefinition")
	haveIDs := func(elements string) predicate { return all(elements, exists("id")) }
	return []rule{
		{"sdf-1", "derivation = 'constraint' or snapshot.element.select(path).isDistinct()",
			or(is("derivation", "constraint"), distinct("snapshot.element.path"))},
		{"sdf-2", "name.exists() or uri.exists()", or(exists("name"), exists("uri"))},
		{"sdf-3", "element.all(definition.exists() and min.exists() and max.exists())",
			all("element", and(exists("definition"), exists("min"), exists("max")))},
		{"sdf-4", "abstract = true or baseDefinition.exists()", or(is("abstract", "true"), exists("baseDefinition"))},
		{"sdf-5", "type != 'Extension' or derivation = 'specialization' or (context.exists())",
			or(isNot("type", "Extension"), is("derivation", "specialization"), exists("context"))},
		{"sdf-6", "snapshot.exists() or differential.exists()", or(exists("snapshot"), exists("differential"))},
		{"sdf-8", "(%resource.kind = 'logical' or element.first().path = %resource.type) and element.tail().all(path.startsWith(%resource.snapshot.element.first().path&'.'))",
			snapshotWithinType},
		{"sdf-8a", `(%resource.kind = 'logical' or element.first().path.startsWith(%resource.type)) and (element.tail().empty() or element.tail().all(path.startsWith(%resource.differential.element.first().path.replaceMatches('\\..*','')&'.')))`,
			differentialWithinType},
		{"sdf-8b", "element.all(base.exists())", all("element", exists("base"))},
		{"sdf-9", "children().element.where(path.contains('.').not()).label.empty() and children().element.where(path.contains('.').not()).code.empty() and children().element.where(path.contains('.').not()).requirements.empty()",
			and(none("snapshot.element", and(isRoot, saysMore)), none("differential.element", and(isRoot, saysMore)))},
		{"sdf-10", "binding.empty() or binding.valueSet.exists() or binding.description.exists()",
			or(absent("binding"), exists("binding.valueSet"), exists("binding.description"))},
		{"sdf-11", "kind != 'logical' implies snapshot.empty() or snapshot.element.first().path = type",
			implies(not(isLogical), or(absent("snapshot"), snapshotOfType))},
		{"sdf-14", "snapshot.element.all(id.exists()) and differential.element.all(id.exists())",
			and(haveIDs("snapshot.element"), haveIDs("differential.element"))},
		{"sdf-15", "kind!='logical' implies snapshot.element.first().type.empty()",
			implies(not(isLogical), rootWithoutType("snapshot"))},
		{"sdf-15a", "(kind!='logical' and differential.element.first().path.contains('.').not()) implies differential.element.first().type.empty()",
			implies(and(not(isLogical), first("differential.element", isRoot)), rootWithoutType("differential"))},
		{"sdf-16", "snapshot.element.all(id.exists()) and snapshot.element.id.trace('ids').isDistinct()",
			and(haveIDs("snapshot.element"), distinct("snapshot.element.id"))},
		{"sdf-17", "differential.element.all(id.exists()) and differential.element.id.trace('ids').isDistinct()",
			and(haveIDs("differential.element"), distinct("differential.element.id"))},
		{"sdf-18", "contextInvariant.exists() implies type = 'Extension'",
			implies(exists("contextInvariant"), is("type", "Extension"))},
		{"sdf-19", `url.startsWith('http://hl7.org/fhir/StructureDefinition') implies (differential.element.type.code.all(matches('^[a-zA-Z0-9]+$') or matches('^http:\\/\\/hl7\\.org\\/fhirpath\\/System\\.[A-Z][A-Za-z]+$')) and snapshot.element.type.code.all(matches('^[a-zA-Z0-9\\.]+$') or matches('^http:\\/\\/hl7\\.org\\/fhirpath\\/System\\.[A-Z][A-Za-z]+$')))`,
			implies(isCore, and(
				all("differential.element.type.code", matches("", `^([a-zA-Z0-9]+|http://hl7\.org/fhirpath/System\.[A-Z][A-Za-z]+)$`)),
				all("snapshot.element.type.code", matches("", `^([a-zA-Z0-9.]+|http://hl7\.org/fhirpath/System\.[A-Z][A-Za-z]+)$`))))},
		{"sdf-20", "element.where(path.contains('.').not()).slicing.empty()", none("element", and(isRoot, exists("slicing")))},
		{"sdf-21", "differential.element.defaultValue.exists() implies (derivation = 'specialization')",
			implies(exists("differential.element.defaultValue[x]"), is("derivation", "specialization"))},
		{"sdf-22", "url.startsWith('http://hl7.org/fhir/StructureDefinition') implies (snapshot.element.defaultValue.empty() and differential.element.defaultValue.empty())",
			implies(isCore, and(absent("snapshot.element.defaultValue[x]"), absent("differential.element.defaultValue[x]")))},
		{"sdf-23", "(snapshot | differential).element.all(path.contains('.').not() implies sliceName.empty())",
			and(all("snapshot.element", implies(isRoot, absent("sliceName"))),
				all("differential.element", implies(isRoot, absent("sliceName"))))},
	}
}

// saysMore tells whether an element has what the first one must not have.
func saysMore(_ Env, e element.Element) answer {
	return of(e.Has("label") || e.Has("code") || e.Has("requirements"))
}

// rootWithoutType is element.first().type.empty() of a snapshot or differential.
func rootWithoutType(view string) predicate {
	elements := parse(view + ".element")
	return func(_ Env, e element.Element) answer { return of(!elements.first(e).Has("type")) }
}

// snapshotOfType is snapshot.element.first().path = type.
func snapshotOfType(_ Env, e element.Element) answer {
	first, typ := e.Get("snapshot").Get("element").Get("path"), e.Get("type")
	if !first.Exists() || !typ.Exists() {
		return empty
	}
	return of(first.Text() == typ.Text())
}

// snapshotWithinType is sdf-8, of a snapshot.
func snapshotWithinType(env Env, e element.Element) answer {
	definition := element.Of(env.Resource)
	root := e.Get("element").Get("path").Text()
	isRoot := root != "" && root == definition.Get("type").Text()
	return of((isRoot || definition.Get("kind").Text() == "logical") && othersWithin(e, root))
}

// differentialWithinType is sdf-8a, of a differential.
func differentialWithinType(env Env, e element.Element) answer {
	definition := element.Of(env.Resource)
	path := e.Get("element").Get("path").Text()
	root, _, _ := strings.Cut(path, ".")
	typ := definition.Get("type").Text()
	isWithin := typ != "" && strings.HasPrefix(path, typ)
	return of((isWithin || definition.Get("kind").Text() == "logical") && othersWithin(e, root))
}

// othersWithin tells whether all elements but the first lie below root.
func othersWithin(view element.Element, root string) bool {
	for i, e := range view.All("element") {
		if i > 0 && !strings.HasPrefix(e.Get("path").Text(), root+".") {
			return false
		}
	}
	return true
}
