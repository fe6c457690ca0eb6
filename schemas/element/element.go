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
	for _, child := range e.All(name) {
		return child
	}
	return Element{}
}

// Has tells whether a child called name exists.
func (e Element) Has(name string) bool { return e.Get(name).Exists() }

// All returns the children called name, which is no choice, with their places in an array (0 for a single one).
func (e Element) All(name string) iter.Seq2[int, Element] {
	return func(yield func(int, Element) bool) {
		var value, sibling *fhir.Value
		items := e.Value.Items()
		for i := range items {
			switch n := items[i].Name(); {
			case n == name:
				value = &items[i]
			case len(n) == len(name)+1 && n[0] == '_' && n[1:] == name:
				sibling = &items[i]
			}
		}
		each(value, sibling, yield)
	}
}

// each pairs the elements of an array with those of its sibling (FHIR R4 json.html#primitive).
func each(value, sibling *fhir.Value, yield func(int, Element) bool) {
	if value.Kind() != fhir.Array && sibling.Kind() != fhir.Array {
		if e := (Element{value, sibling}); e.Exists() {
			yield(0, e)
		}
		return
	}
	values, siblings := value.Items(), sibling.Items()
	for i := range max(len(values), len(siblings)) {
		var e Element
		if i < len(values) {
			e.Value = &values[i]
		}
		if i < len(siblings) && siblings[i].Kind() == fhir.Object {
			e.Sibling = &siblings[i]
		}
		if !yield(i, e) {
			return
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
func (e Element) Extensions() iter.Seq2[int, Element] {
	if e.Sibling != nil {
		return Of(e.Sibling).All("extension")
	}
	return e.All("extension")
}

// Extension returns the first extension with this url.
func (e Element) Extension(url string) Element {
	for _, extension := range e.Extensions() {
		if extension.Get("url").Text() == url {
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
