package schemas

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/xeipuuv/gojsonschema"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/bundle"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// maxIssues bounds the work on a document that is wrong throughout; nobody reads as many.
const maxIssues = 500

// Check returns what is wrong with resource, and what is only worth saying: by the schemas of its types and the rules
// of FHIR R4, by the profiles that it and what is in it claim, by the profiles named, canonical URLs that may end in
// |version, and by the rules of a Bundle and its references. A profile that is not known is a warning where the
// resource claims it, and an error where it is named.
//
// path is the FHIRPath by which issues name the resource, such as Bundle.entry[3].resource; "" stands for its type.
// Issues come in the order of the document, then those of the profiles named and of the Bundle as a whole, about 500
// at most of each, and one issue for one fault; nil when there is nothing to say.
func (v *Validator) Check(resource *fhir.Value, path string, profiles ...string) []fhir.Issue {
	if path == "" {
		path = anyResource
		if v.resourceType(resource.ResourceType()) != nil {
			path = resource.ResourceType()
		}
	}
	document := element.NewDocument(resource)
	w := &walk{
		validator: v, root: path, level: make(map[string]any, 16), document: document, scope: document.Root(),
		session: v.checker.Session(document), isReferral: isReferral(resource),
	}
	w.at = w.here
	w.resource(resource)
	w.requested(resource, profiles)
	w.narratives()
	w.issues = append(w.issues, bundle.Check(document, bundle.Options{Path: path, Base: v.config.Base, Now: v.config.Now()})...)
	return once(w.issues)
}

// walk checks one document.
type walk struct {
	validator *Validator
	root      string
	path      []step        // from root to the current value
	position  fhir.Position // of the unknown member that was reported last
	issues    []fhir.Issue
	level     map[string]any // one object as its node's schema sees it; used anew for each

	holders    []holder // of the current object, the innermost last; none for a resource that is no member
	document   *element.Document
	scope      element.Scope // of the current resource
	session    *profile.Session
	at         func() string // here, made once
	isReferral bool
	silent     string // the first resource without a narrative, if any
	silence    int    // how many there are
}

// step is one member of an object, or with name "" one element of an array.
type step struct {
	name  string
	index int
}

func (w *walk) full() bool { return len(w.issues) >= maxIssues }

func (w *walk) down(name string, index int) { w.path = append(w.path, step{name, index}) }
func (w *walk) up()                         { w.path = w.path[:len(w.path)-1] }

// resource checks v against the schema of its resourceType.
func (w *walk) resource(v *fhir.Value) {
	t := v.Get("resourceType")
	switch {
	case v.Kind() != fhir.Object:
		w.report(fhir.CodeValue, "", "A resource must be a JSON object")
	case t.Kind() != fhir.String:
		w.report(fhir.CodeStructure, "", "resourceType is missing or not a string; it says which resource this is")
	default:
		if n := w.validator.resourceType(t.Text()); n != nil {
			outer := w.scope
			w.scope = w.enter(v)
			w.object(n.load(), v)
			w.asResource(v)
			w.scope = outer
		} else {
			w.report(fhir.CodeStructure, "", "Unknown resource type: resourceType must name a resource of FHIR R4")
		}
	}
}

// value checks v, which stands as member m in outer, an object of type owner.
func (w *walk) value(owner *node, outer *fhir.Value, m *member, v *fhir.Value) {
	n := m.typ
	switch n.load(); {
	case n.members == nil:
		w.primitive(n, v, m.property)
	case v.Kind() != fhir.Object:
		w.wrongType(v, m.property, "an object")
		return
	case n.name == anyResource:
		w.resource(v)
	default:
		w.holders = append(w.holders, holder{owner, m, outer})
		w.object(n, v)
		w.holders = w.holders[:len(w.holders)-1]
	}
	if m.rules != nil {
		w.rules(m.rules, v)
	}
}

// holder is where an object stands: as a member of an object of a type.
type holder struct {
	owner  *node
	member *member
	value  *fhir.Value // the owner's
}

// object checks what v has at its own level, then each member, then the rules of its type.
func (w *walk) object(n *node, v *fhir.Value) {
	items := v.Items()
	if !n.satisfied(items) {
		w.ownLevel(n, items)
	}

	var chosen choicesSeen
	for i := range items {
		m := n.members[items[i].Name()]
		switch {
		case w.full():
			return
		case m == nil:
			w.unknown(&items[i])
			continue
		case m.isChoice && chosen.clash(m):
			w.report(fhir.CodeStructure, m.element, m.element+"[x] must have one type only, and stands with two")
		}
		if m.typ != nil {
			w.member(n, v, m, &items[i])
		}
	}
	w.own(n, v)
}

func (w *walk) member(n *node, outer *fhir.Value, m *member, v *fhir.Value) {
	w.down(m.element, 0)
	defer w.up()
	if !m.isArray {
		w.value(n, outer, m, v)
		return
	}
	if v.Kind() != fhir.Array {
		return // reported by ownLevel
	}
	items := v.Items()
	for i := range items {
		if items[i].Kind() == fhir.Null && m.mayBeNull() {
			continue
		}
		w.down("", i)
		w.value(n, outer, m, &items[i])
		w.up()
		if w.full() {
			return
		}
	}
}

// mayBeNull tells an array of primitives or of their siblings, where null keeps a place (FHIR R4 json.html#primitive).
func (m *member) mayBeNull() bool { return m.isSibling || m.typ.load().members == nil }

// primitive checks a value without members.
func (w *walk) primitive(n *node, v *fhir.Value, property string) {
	if n.isPlain(v) {
		return
	}
	result, err := n.schema.Validate(gojsonschema.NewRawLoader(placeholder(v)))
	if err != nil {
		panic(err) // a raw loader cannot fail
	}
	if errs := result.Errors(); len(errs) > 0 {
		w.invalid(n, v, property, errs[0])
	} else if n.codes != nil && !slices.Contains(n.codes, v.Text()) {
		w.unknownCode(n, property)
	} else if why := checkText(n.name, v.Text()); why != "" {
		w.report(fhir.CodeValue, "", property+" "+why)
		if n.name == "base64Binary" {
			last := &w.issues[len(w.issues)-1]
			last.Rule, last.Source = base64Rule, fhir.OwnRules
		}
	}
}

// placeholder returns a primitive as gojsonschema knows it, and an array or object without what is in it.
func placeholder(v *fhir.Value) any {
	switch v.Kind() {
	case fhir.String:
		return v.Text()
	case fhir.Number:
		return json.Number(v.Text())
	case fhir.Bool:
		return v.Text() == "true"
	case fhir.Array:
		return []any(nil)
	case fhir.Object:
		return map[string]any(nil)
	default:
		return nil
	}
}

// hasExtension tells whether _name can stand in for a value that is required: an id alone says nothing (FHIR R4
// element.html, ele-1).
func hasExtension(sibling *fhir.Value) bool {
	if sibling.Kind() == fhir.Object {
		return sibling.Get("extension") != nil
	}
	items := sibling.Items()
	for i := range items {
		if items[i].Get("extension") != nil {
			return true
		}
	}
	return false
}

// choicesSeen are the variants of choices that an object has. No type of R4 has more than six choices.
type choicesSeen struct {
	seen [6]struct{ element, property string }
	n    int
}

// clash tells that m is the first variant of its choice to stand beside another one.
func (c *choicesSeen) clash(m *member) bool {
	for i := range c.seen[:c.n] {
		if s := &c.seen[i]; s.element == m.element {
			found := s.property != "" && s.property != m.property
			if found {
				s.property = "" // reported
			}
			return found
		}
	}
	if c.n < len(c.seen) {
		c.seen[c.n].element, c.seen[c.n].property = m.element, m.property
		c.n++
	}
	return false
}

// expression is the FHIRPath of the current value, or of its child called name.
func (w *walk) expression(name string) string {
	var b strings.Builder
	b.WriteString(w.root)
	for _, s := range w.path {
		writeStep(&b, s)
	}
	if name != "" {
		writeStep(&b, step{name: name})
	}
	return b.String()
}
