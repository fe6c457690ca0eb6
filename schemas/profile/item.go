package profile

import (
	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// item is an element with the type by which it goes: of a choice as its property spells it (DateTime), of a resource
// that is not in the document as far as the reference tells; else empty.
type item struct {
	element.Element
	typ string
}

// goesBy is the type of a choice or a resource; "" for other elements.
func (it item) goesBy() string {
	if it.typ != "" {
		return it.typ
	}
	return it.Value.ResourceType()
}

// items are the children of an element that have one name, and for a choice its type.
func items(parent element.Element, name string, isChoice bool) (element.List, string) {
	switch {
	case isChoice:
		e, typ := parent.Choice(name)
		return element.Single(e), typ
	case name == "extension":
		return parent.Extensions(), ""
	}
	return parent.List(name), ""
}

// satisfies tells whether an element counts towards a minimum: a primitive by a value, or by an extension that says
// why there is none (FHIR R4 element.html, ele-1), and not by an id.
func satisfies(e element.Element) bool {
	return e.Value.Kind() != fhir.Null || e.Sibling.Get("extension") != nil
}
