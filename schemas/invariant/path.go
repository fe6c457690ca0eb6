package invariant

import (
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
)

// path leads from an element to others: names joined by dots as in FHIRPath, but a choice ends in [x]. The empty path
// is the element itself.
type path []step

type step struct {
	name   string
	choice bool
}

func parse(text string) path {
	var p path
	for text != "" {
		var name string
		name, text, _ = strings.Cut(text, ".")
		name, choice := strings.CutSuffix(name, "[x]")
		p = append(p, step{name, choice})
	}
	return p
}

// each calls visit for every element that p leads to from e until visit returns false, and tells whether it never did.
func (p path) each(e element.Element, visit func(element.Element) bool) bool {
	if len(p) == 0 {
		return visit(e)
	}
	first, rest := p[0], p[1:]
	if first.choice {
		e, _ := e.Choice(first.name)
		return !e.Exists() || rest.each(e, visit)
	}
	children := e.List(first.name)
	if first.name == "extension" {
		children = e.Extensions()
	}
	for i := range children.Len() {
		if child := children.At(i); child.Exists() && !rest.each(child, visit) {
			return false
		}
	}
	return true
}

// first returns the first element that p leads to.
func (p path) first(e element.Element) element.Element {
	if len(p) == 0 {
		return e
	}
	if len(p) == 1 && !p[0].choice && p[0].name != "extension" { // nearly all
		return e.Get(p[0].name)
	}
	var found element.Element
	p.each(e, func(e element.Element) bool {
		found = e
		return false
	})
	return found
}

func (p path) exists(e element.Element) bool { return p.first(e).Exists() }

func (p path) count(e element.Element) int {
	n := 0
	p.each(e, func(element.Element) bool {
		n++
		return true
	})
	return n
}

// descendants calls visit for every element below e.
func descendants(e element.Element, visit func(element.Element)) {
	for _, child := range e.Children() {
		visit(child)
		descendants(child, visit)
	}
}
