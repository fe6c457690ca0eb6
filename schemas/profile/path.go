package profile

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// hop is one step of a discriminator's path.
type hop struct {
	name     string
	choice   bool
	url      string // extension(url)
	typ      string // ofType(typ)
	resolves bool   // resolve()
	// typeTells that what follows can be decided by the type of a resource that is not in the document.
	typeTells bool
}

// splitPath splits a discriminator's path at its dots, but not within parentheses, and leaves $this out.
func splitPath(path string) []string {
	var parts []string
	depth, start := 0, 0
	for i := range len(path) + 1 {
		switch {
		case i == len(path) || path[i] == '.' && depth == 0:
			if part := path[start:i]; part != "$this" && part != "" {
				parts = append(parts, part)
			}
			start = i + 1
		case path[i] == '(':
			depth++
		case path[i] == ')':
			depth--
		}
	}
	return parts
}

func hopTo(name string) hop {
	name, choice := strings.CutSuffix(name, "[x]")
	return hop{name: name, choice: choice}
}

// follow readies one step of a path from elements that at describes, and returns what is said about those that it
// leads to.
func (l *Library) follow(text string, at []*Element) (hop, []*Element) {
	var next []*Element
	function, argument, isCall := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	argument = strings.Trim(argument, `'"`)
	switch {
	case isCall && function == "resolve":
		for _, e := range at {
			if len(e.Targets) == 1 {
				if p := l.Profile(e.Targets[0]); p != nil {
					next = append(next, &p.Root)
				}
			}
		}
		return hop{resolves: true}, next
	case isCall && function == "ofType":
		for _, e := range at {
			next = append(next, e)
			for i := range e.Slices {
				if slices.Contains(e.Slices[i].Types, argument) {
					next = append(next, &e.Slices[i])
				}
			}
		}
		return hop{typ: variant(argument)}, next
	case isCall && function == "extension":
		for _, e := range l.below(at, "extension") {
			for i := range e.Slices {
				if extensionURL(&e.Slices[i]) == argument {
					next = append(next, &e.Slices[i])
				}
			}
		}
		return hop{url: argument}, next
	}
	next = l.below(at, text)
	h := hopTo(text)
	h.choice = slices.ContainsFunc(next, func(e *Element) bool { return strings.HasSuffix(e.Name, "[x]") })
	return h, next
}

// below is what is said about the children called name, with or without [x]: by an element itself, by those of its
// slices that must be there, and by its profile.
func (l *Library) below(at []*Element, name string) []*Element {
	var found []*Element
	children := func(e *Element) {
		for i := range e.Children {
			if strings.TrimSuffix(e.Children[i].Name, "[x]") == name {
				found = append(found, &e.Children[i])
			}
		}
	}
	for _, e := range at {
		children(e)
		for i := range e.Slices {
			if e.Slices[i].Min > 0 {
				children(&e.Slices[i])
			}
		}
		if p := l.onlyProfile(e); p != nil {
			children(&p.Root)
		}
	}
	return found
}

// then returns the test that takes h, and passes when one of the elements there passes t.
func (h hop) then(t test) test {
	switch {
	case h.resolves:
		return func(s *Session, scope element.Scope, it item) verdict { return s.throughReference(h, scope, it, t) }
	case h.typ != "":
		return func(s *Session, scope element.Scope, it item) verdict {
			if it.typ != h.typ {
				return out
			}
			return t(s, scope, it)
		}
	case h.url != "":
		return func(s *Session, scope element.Scope, it item) verdict {
			result := out
			extensions := it.Extensions()
			for i := range extensions.Len() {
				if e := extensions.At(i); !s.spent(1) && e.Value.Get("url").Text() == h.url {
					result = either(result, t(s, scope, item{Element: e}))
				}
			}
			return result
		}
	}
	return func(s *Session, scope element.Scope, it item) verdict {
		result := out
		children, typ := items(it.Element, h.name, h.choice)
		for i := range children.Len() {
			if child := (item{children.At(i), typ}); !s.spent(1) && child.Exists() {
				result = either(result, t(s, s.inner(h.name, scope, child), child))
			}
		}
		return result
	}
}

// throughReference holds the resource that a Reference leads to against t. Of one that is not in the document only
// the type may be known.
func (s *Session) throughReference(h hop, scope element.Scope, it item, t test) verdict {
	resource, at, typ := s.leadsTo(scope, it.Element)
	switch {
	case resource != nil:
		return t(s, at, item{Element: element.Of(resource)})
	case typ != "" && h.typeTells:
		return t(s, at, item{typ: typ})
	}
	return unknown
}

// inner is the scope of an element called name: a resource has its own.
func (s *Session) inner(name string, scope element.Scope, it item) element.Scope {
	switch name {
	case "contained":
		return scope.Contained(it.Value)
	case "resource":
		if i, found := s.entry(it.Value); found {
			return s.document.Entry(i)
		}
		if it.Value.ResourceType() != "" {
			return scope.Separate(it.Value)
		}
	}
	return scope
}

// entry returns which entry of the document has this resource.
func (s *Session) entry(resource *fhir.Value) (int, bool) {
	if s.entries == nil {
		s.entries = make(map[*fhir.Value]int, s.document.Entries())
		for i := range s.document.Entries() {
			s.entries[s.document.Entry(i).Resource] = i
		}
	}
	i, found := s.entries[resource]
	return i, found
}
