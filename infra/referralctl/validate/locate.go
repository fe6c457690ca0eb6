package validate

import (
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// locate returns the value that an issue's expression leads to, such as Bundle.entry[2].resource.name[0].family, or
// the nearest one around it: what is missing has no place.
func locate(v *fhir.Value, expression string) *fhir.Value {
	_, rest, _ := strings.Cut(expression, ".")
	at, found := element.Of(v), v
	for rest != "" {
		var step string
		step, rest, _ = strings.Cut(rest, ".")
		name, index := split(step)
		next, member := child(at, name, index)
		if member == nil {
			return found
		}
		at, found = next, member
	}
	return found
}

// split takes name[index] apart; index is -1 where there is none.
func split(step string) (name string, index int) {
	name, number, found := strings.Cut(strings.TrimSuffix(step, "]"), "[")
	index, err := strconv.Atoi(number)
	if !found || err != nil {
		return name, -1
	}
	return name, index
}

// child returns a child of at, and the value that stands for it in the document. name may be that of a choice, and
// the parent a primitive whose children stand beside it.
func child(at element.Element, name string, index int) (element.Element, *fhir.Value) {
	parent := at
	if at.Value.Kind() != fhir.Object && at.Sibling != nil {
		parent = element.Of(at.Sibling)
	}
	for i, e := range parent.All(name) {
		if index >= 0 && i != index {
			continue
		}
		if index < 0 { // the array as a whole, if it is one
			return e, either(parent.Value.Get(name), parent.Value.Get("_"+name))
		}
		return e, either(e.Value, e.Sibling)
	}
	e, typ := parent.Choice(name)
	if typ == "" {
		return element.Element{}, nil
	}
	return e, either(e.Value, e.Sibling)
}

func either(value, sibling *fhir.Value) *fhir.Value {
	if value.Kind() == fhir.Null && sibling != nil {
		return sibling
	}
	return value
}
