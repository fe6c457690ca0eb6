package schemas

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/xeipuuv/gojsonschema"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// maxIssues bounds the work on a document that is wrong throughout; nobody reads as many.
const maxIssues = 500

// Check returns what is wrong with resource by its type's schema, in the order of the document; nil when nothing is.
// path is the FHIRPath by which issues name the resource, such as Bundle.entry[3].resource; "" stands for its type.
// Every issue has severity error. Of a document that is wrong throughout it returns the first issues, at most 500.
func (v *Validator) Check(resource *fhir.Value, path string) []fhir.Issue {
	if path == "" {
		path = anyResource
		if v.resourceType(resource.ResourceType()) != nil {
			path = resource.ResourceType()
		}
	}
	w := &walk{validator: v, root: path, level: make(map[string]any, 16)}
	w.resource(resource)
	return w.issues
}

// walk checks one document.
type walk struct {
	validator *Validator
	root      string
	path      []step        // from root to the current value
	position  fhir.Position // of the unknown member that was reported last
	issues    []fhir.Issue
	level     map[string]any // one object as its node's schema sees it; used anew for each
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
			w.object(n.load(), v)
		} else {
			w.report(fhir.CodeStructure, "", "Unknown resource type: resourceType must name a resource of FHIR R4")
		}
	}
}

// value checks v, which stands as property in its parent, against n.
func (w *walk) value(n *node, v *fhir.Value, property string) {
	switch n.load(); {
	case n.members == nil:
		w.primitive(n, v, property)
	case v.Kind() != fhir.Object:
		w.wrongType(v, property, "an object")
	case n.name == anyResource:
		w.resource(v)
	default:
		w.object(n, v)
	}
}

// object checks what v has at its own level, then each member.
func (w *walk) object(n *node, v *fhir.Value) {
	clear(w.level)
	items := v.Items()
	for i := range items {
		name := items[i].Name()
		m := n.members[name]
		if m == nil {
			continue
		}
		if m.group != "" && (!m.isSibling || hasExtension(&items[i])) {
			w.level[m.group] = true
		}
		if m.isArray {
			w.level[name] = placeholder(&items[i])
		}
	}
	if n.hasRequired || len(w.level) > 0 {
		w.ownLevel(n)
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
			w.member(m, &items[i])
		}
	}
}

func (w *walk) member(m *member, v *fhir.Value) {
	w.down(m.element, 0)
	defer w.up()
	if !m.isArray {
		w.value(m.typ, v, m.property)
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
		w.value(m.typ, &items[i], m.property)
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
	if n.isText && v.Kind() == fhir.String {
		return // fhir.Parse refuses empty strings
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
