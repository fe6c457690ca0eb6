package invariant

import (
	"strings"
	"sync"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Rule is an invariant that no table repeats, because it holds for every element or every resource.
type Rule struct {
	Key      string
	Severity fhir.Severity
	Human    string // as published
	Source   string // canonical URL of the definition that states it
	Check    Func
}

const definitions = "http://hl7.org/fhir/StructureDefinition/"

// EveryElement returns the rule of every element that is no resource, ele-1.
func EveryElement() Rule { return everywhere().element }

// EveryExtension returns the rule of every Extension, ext-1.
func EveryExtension() Rule { return everywhere().extension }

// EveryResource returns the rules of every resource but Bundle, Binary and Parameters, dom-2 to dom-6, for reading
// only.
func EveryResource() []Rule { return everywhere().resource }

// common are the rules of this file.
type common struct {
	element, extension Rule
	resource           []Rule
}

var everywhere = sync.OnceValue(func() common {
	domain := definitions + "DomainResource"
	return common{
		Rule{"ele-1", fhir.SeverityError, "All FHIR elements must have a @value or children", definitions + "Element", Lookup(ele1)},
		Rule{"ext-1", fhir.SeverityError, "Must have either extensions or value[x], not both", definitions + "Extension", Lookup(ext1)},
		[]Rule{
			{"dom-2", fhir.SeverityError, "If the resource is contained in another resource, it SHALL NOT contain nested Resources", domain, Lookup(dom2)},
			{"dom-3", fhir.SeverityError, "If the resource is contained in another resource, it SHALL be referred to from elsewhere in the resource or SHALL refer to the containing resource", domain, Lookup(dom3)},
			{"dom-4", fhir.SeverityError, "If a resource is contained in another resource, it SHALL NOT have a meta.versionId or a meta.lastUpdated", domain, Lookup(dom4)},
			{"dom-5", fhir.SeverityError, "If a resource is contained in another resource, it SHALL NOT have a security label", domain, Lookup(dom5)},
			{"dom-6", fhir.SeverityWarning, "A resource should have narrative for robust management", domain, Lookup(dom6)},
		},
	}
})

const (
	ele1 = "hasValue() or (children().count() > id.count())"
	ext1 = "extension.exists() != value.exists()"
	dom2 = "contained.contained.empty()"
	dom3 = "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()"
	dom4 = "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()"
	dom5 = "contained.meta.security.empty()"
	dom6 = "text.`div`.exists()"
)

func everywhereRules() []rule {
	return []rule{
		{"ele-1", ele1, hasContent},
		{"ext-1", ext1, xor(exists("extension"), exists("value[x]"))},
		{"dom-2", dom2, absent("contained.contained")},
		{"dom-3", dom3, containedReferred},
		{"dom-4", dom4, and(absent("contained.meta.versionId"), absent("contained.meta.lastUpdated"))},
		{"dom-5", dom5, absent("contained.meta.security")},
		{"dom-6", dom6, exists("text.div")},
	}
}

// hasContent tells whether an element has a value or a child other than its id.
func hasContent(_ Env, e element.Element) answer {
	if e.HasValue() {
		return yes
	}
	content := e.Value
	if content.Kind() != fhir.Object {
		content = e.Sibling
	}
	for i := range content.Items() {
		if strings.TrimPrefix(content.Items()[i].Name(), "_") != "id" {
			return yes
		}
	}
	return no
}

// containedReferred is dom-3. The document does not tell a uri from another string, so that any string #id counts as
// a reference.
func containedReferred(_ Env, e element.Element) answer {
	if !e.Has("contained") {
		return yes
	}
	local := localReferences(e.Value)
	for _, contained := range e.All("contained") {
		id := contained.Get("id").Text()
		if id != "" && !local["#"+id] && !localReferences(contained.Value)["#"] {
			return no
		}
	}
	return yes
}

// localReferences are the strings below v that begin with #.
func localReferences(v *fhir.Value) map[string]bool {
	found := map[string]bool{}
	v.Strings(func(_ string, s *fhir.Value) {
		if strings.HasPrefix(s.Text(), "#") {
			found[s.Text()] = true
		}
	})
	return found
}
