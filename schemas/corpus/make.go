package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// maxDepth bounds how deep optional elements are made.
const maxDepth = 8

// maker makes instances that conform to profiles and have nearly everything that these speak of, so that there is
// something to break.
type maker struct {
	types     *types
	library   *profile.Library
	valueSets map[string]*terminology.ValueSet

	spots     []spot // of the instance being made
	contained []any
	quiet     int             // above 0: what is made is not to be broken, and has only what it must have
	without   map[string]bool // keys of places that are left out
}

// rule is what a profile says about an element, and the profile that says it.
type rule struct {
	*profile.Element
	owner *profile.Profile
}

// spot is one element of an instance, with what the profiles say about it. Where a profile rules an element out, the
// spot is of what is not there: its pointer is "".
type spot struct {
	place
	parent, parentPath string
	element            string // in FHIRPath
	name               string // of the property
	owner              *typeDef
	property           property
	rules              []rule
	slice              *rule // of a list, the slice that the element was made for
	demanded           int   // how many slices of the list must be there
	index              int   // in a list, or -1
	required           bool
}

// instance makes a resource of p. The spots of what was made are in m.spots.
func (m *maker) instance(p *profile.Profile, without map[string]bool) map[string]any {
	m.spots, m.contained, m.quiet, m.without = nil, nil, 0, without
	r := m.resource(p, place{path: p.Type, key: p.Type})
	r["id"] = "example"
	meta, found := r["meta"].(map[string]any)
	if !found {
		meta = map[string]any{}
		r["meta"] = meta
	}
	meta["security"] = []any{map[string]any{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}}
	if p.Type == "Bundle" {
		link(r)
	} else {
		r["text"] = datatype("Narrative")
	}
	if len(m.contained) > 0 {
		r["contained"] = m.contained
	}
	return r
}

func (m *maker) resource(p *profile.Profile, at place) map[string]any {
	r := map[string]any{"resourceType": p.Type}
	if p.URL != "" {
		r["meta"] = map[string]any{"profile": []any{p.URL}}
	}
	m.fill(r, p.Type, []rule{{&p.Root, p}}, at)
	return r
}

// fill gives object, of type typ, what the type requires and what the rules speak of.
func (m *maker) fill(object map[string]any, typ string, rules []rule, at place) {
	d := m.types.known[typ]
	if d == nil {
		return
	}
	children := map[string][]rule{}
	for _, r := range rules {
		for i := range r.Children {
			c := &r.Children[i]
			children[c.Name] = append(children[c.Name], rule{c, r.owner})
		}
	}
	for _, element := range slices.Concat(d.requiredElements(), needed[typ], extra[typ]) {
		if children[element] == nil {
			children[element] = []rule{} // nothing more is asked of it
		}
	}
	for _, name := range slices.Sorted(maps.Keys(children)) {
		m.child(object, d, name, children[name], at)
	}
}

// child makes the element that rules speak of. What object has of it already stays, as far as it goes.
func (m *maker) child(object map[string]any, d *typeDef, element string, rules []rule, at place) {
	plain := strings.TrimSuffix(element, "[x]")
	required := slices.Contains(d.requiredElements(), element) || m.quiet > 0 && slices.Contains(needed[d.name], element)
	parts, slicings := partsOf(rules)
	typ := ""
	for _, r := range rules {
		if r.Max != nil && *r.Max == 0 {
			delete(object, element)
			m.note(spot{parent: at.pointer, parentPath: at.path, element: plain, name: element, owner: d, rules: rules, index: -1})
			return
		}
		required = required || r.Min > 0
		if len(r.Types) > 0 {
			typ = r.Types[0]
		}
	}
	if !required && len(rules) > 0 && !slices.ContainsFunc(rules, func(r rule) bool { return ours(r.owner) }) {
		return // what only the International Patient Summary speaks of
	}
	for _, part := range parts {
		required = required || part[0].Min > 0
	}
	var variant []rule
	if plain != element {
		if variant = chosenVariant(parts); variant != nil {
			typ = variant[0].Types[0]
			rules = append(slices.Clone(rules), variant...)
		}
		parts = nil
	}
	name, p, found := d.named(element, typ)
	if !found || !required && (m.quiet > 0 || at.depth > maxDepth) {
		return
	}
	s := spot{parent: at.pointer, parentPath: at.path, element: plain, name: name, owner: d, property: p, rules: rules, index: -1,
		required: required}
	if len(variant) > 0 && variant[0].Max != nil && *variant[0].Max == 0 {
		s.name = name
		m.note(s)
		return
	}
	if m.types.known[p.typ] == nil && !p.repeats {
		m.beside(object, name, p, rules, at)
	}
	if key := at.key + "." + plain; !required && (m.without[key] || isLeftOut(key)) {
		return
	}
	if !p.repeats {
		s.place = at.child(name, p, 0)
		if variant != nil {
			s.slice = &variant[0]
		}
		m.note(s)
		object[name] = m.value(p, rules, s.place, object[name])
		return
	}
	object[name] = m.list(object[name], s, parts, slicings, at)
	if len(object[name].([]any)) == 0 {
		delete(object, name)
	}
}

// list makes the elements of s's list: one for each slice, and as many of none as there must be.
func (m *maker) list(existing any, s spot, parts [][]rule, slicings []profile.Slicing, at place) []any {
	items := []any{}
	rules, required, least := s.rules, s.required, 1
	for _, r := range rules {
		least = max(least, r.Min)
	}
	if strings.HasSuffix(s.name, "xtension") && !required || len(parts) > 0 && least == 1 {
		least = 0
	}
	for _, part := range parts {
		s.demanded += min(part[0].Min, 1)
	}
	for _, part := range parts {
		s.place = at.child(s.name, s.property, len(items)).item(&part[0], slicings)
		s.required = part[0].Min > 0
		if !s.required && (m.unknowable(part[0]) || m.quiet > 0 || m.without[s.key] || isLeftOut(s.key)) {
			continue
		}
		s.slice, s.rules, s.index = &part[0], append(slices.Clone(rules), part...), len(items)
		m.note(s)
		items = append(items, m.value(s.property, s.rules, s.place, nil))
	}
	if len(items) == 0 && required {
		least = max(least, 1)
	}
	was, _ := existing.([]any)
	if len(parts) == 0 {
		least = max(least, len(was))
	}
	for len(items) < least {
		s.place, s.index, s.slice, s.rules, s.required = at.child(s.name, s.property, len(items)), len(items), nil, rules, required
		m.note(s)
		var before any
		if len(items) < len(was) {
			before = was[len(items)]
		}
		items = append(items, m.value(s.property, rules, s.place, before))
	}
	return items
}

// beside makes the extensions of a primitive.
func (m *maker) beside(object map[string]any, name string, p property, rules []rule, at place) {
	sibling := map[string]any{}
	next := at.child(name, p, 0)
	next.pointer = at.pointer + "/_" + name
	m.fill(sibling, "Element", rules, next)
	if len(sibling) > 0 {
		object["_"+name] = sibling
	}
}

func (m *maker) note(s spot) {
	if m.quiet == 0 {
		m.spots = append(m.spots, s)
	}
}

// quietly returns what make makes, of which nothing is to be broken.
func (m *maker) quietly(make func() any) any {
	m.quiet++
	defer func() { m.quiet-- }()
	return make()
}
