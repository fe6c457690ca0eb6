// Package element sees a document as FHIRPath does: a primitive and the extensions beside it are one element, a
// choice such as value[x] goes by one name, and a reference leads to what it names, in this document only.
//
// It expects documents that passed fhir.Parse, and promises to work on any of them: what is absent or of another
// JSON type reads as an element that does not exist. It never fetches anything.
package element

import (
	"iter"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Element is one element: an object, or a primitive with what stands beside it under _name. The zero Element does
// not exist, and every method works on it.
type Element struct {
	Value   *fhir.Value // nil or null where only the sibling says something
	Sibling *fhir.Value // the object under _name: id and extensions of a primitive; nil for objects
}

// Of returns v as an element.
func Of(v *fhir.Value) Element { return Element{Value: v} }

// Exists tells whether the element is there: as a value, or by extensions alone.
func (e Element) Exists() bool { return e.Value.Kind() != fhir.Null || e.Sibling.Kind() == fhir.Object }

// HasValue tells whether the element is a primitive with a value (FHIR R4 fhirpath.html, hasValue).
func (e Element) HasValue() bool {
	switch e.Value.Kind() {
	case fhir.String, fhir.Number, fhir.Bool:
		return true
	default:
		return false
	}
}

// Text returns the text of a primitive, and "" for everything else.
func (e Element) Text() string { return e.Value.Text() }

// Get returns the child called name, which is no choice; of several, the first.
func (e Element) Get(name string) Element {
	if l := e.List(name); l.Len() > 0 {
		return l.At(0)
	}
	return Element{}
}

// Has tells whether a child called name exists.
func (e Element) Has(name string) bool { return e.Get(name).Exists() }

// All returns the children called name, which is no choice, with their places in an array (0 for a single one).
func (e Element) All(name string) iter.Seq2[int, Element] {
	return e.List(name).All()
}

// List are the children of one name: what stands in an array and in the array beside it, where primitives have their
// extensions (FHIR R4 json.html#primitive), or a single one.
type List struct {
	value, sibling *fhir.Value
	length         int
	// Repeats tells an array from a single child.
	Repeats bool
}

// List returns the children called name, which is no choice.
func (e Element) List(name string) List {
	var l List
	items := e.Value.Items()
	for i := range items {
		switch n := items[i].Name(); {
		case n == name:
			l.value = &items[i]
		case len(n) == len(name)+1 && n[0] == '_' && n[1:] == name:
			l.sibling = &items[i]
		}
	}
	l.Repeats = l.value.Kind() == fhir.Array || l.sibling.Kind() == fhir.Array
	switch {
	case l.Repeats:
		l.length = max(len(l.value.Items()), len(l.sibling.Items()))
	case (Element{l.value, l.sibling}).Exists():
		l.length = 1
	}
	return l
}

// Single returns the list of e alone, empty where e does not exist.
func Single(e Element) List {
	l := List{value: e.Value, sibling: e.Sibling}
	if e.Exists() {
		l.length = 1
	}
	return l
}

// Len returns the number of children.
func (l List) Len() int { return l.length }

// At returns the i-th child.
func (l List) At(i int) Element {
	if !l.Repeats {
		return Element{l.value, l.sibling}
	}
	var e Element
	if values := l.value.Items(); i < len(values) {
		e.Value = &values[i]
	}
	if siblings := l.sibling.Items(); i < len(siblings) && siblings[i].Kind() == fhir.Object {
		e.Sibling = &siblings[i]
	}
	return e
}

// All returns the children with their places.
func (l List) All() iter.Seq2[int, Element] {
	return func(yield func(int, Element) bool) {
		for i := range l.Len() {
			if !yield(i, l.At(i)) {
				return
			}
		}
	}
}

// Choice returns the element that stands for name[x], and its type as the property names it (Quantity, DateTime);
// "" when there is none. name must be that of a choice: birth would find birthDate.
func (e Element) Choice(name string) (Element, string) {
	items := e.Value.Items()
	for i := range items {
		property := strings.TrimPrefix(items[i].Name(), "_")
		typ, found := strings.CutPrefix(property, name)
		if found && typ != "" && typ[0] >= 'A' && typ[0] <= 'Z' {
			return e.Get(property), typ
		}
	}
	return Element{}, ""
}

// Extensions returns the extensions of the element, of a primitive those beside it.
func (e Element) Extensions() List {
	if e.Sibling != nil {
		e = Of(e.Sibling)
	}
	return e.List("extension")
}

// Extension returns the first extension with this url.
func (e Element) Extension(url string) Element {
	all := e.Extensions()
	for i := range all.Len() {
		if extension := all.At(i); extension.Value.Get("url").Text() == url {
			return extension
		}
	}
	return Element{}
}

// Children returns every child with its place: the name as FHIRPath has it but for choices, which keep their type
// (valueQuantity), and the index in an array or -1.
func (e Element) Children() iter.Seq2[Step, Element] {
	return func(yield func(Step, Element) bool) {
		items := e.Value.Items()
		for i := range items {
			name := items[i].Name()
			if name[0] == '_' {
				if e.Value.Get(name[1:]) != nil {
					continue // comes with its value
				}
				name = name[1:]
			}
			repeats := items[i].Kind() == fhir.Array
			for j, child := range e.All(name) {
				if !repeats {
					j = -1
				}
				if !yield(Step{name, j}, child) {
					return
				}
			}
		}
	}
}

// Step leads from an element to a child.
type Step struct {
	Name  string
	Index int // -1 for what does not repeat
}
