package main

import "strings"

// count leaves out what must be there, and adds what there must not be.
func (b *breaker) count(s spot, r rule) {
	at := s.parentPath + "." + s.element
	list := s.parent + "/" + s.name
	want := Want{Code: "required", Expression: at, Rule: "cardinality", Source: r.owner.URL}
	switch {
	case r.Slice != "" && r.Min > 0 && s.index >= 0:
		if s.outer && s.demanded == 1 {
			break // without it what stands around it is in another slice
		}
		patch := remove(s.pointer)
		if b.size(list) == 1 {
			patch = remove(list)
		}
		if b.size(list) > 1 || b.size(s.parent) > 1 {
			b.add("slice missing", "no slice "+r.Slice+": "+at, want, patch)
		}
		b.untold(s, r, want)
	case r.Slice == "" && r.Min > 0 && b.size(s.parent) > 1 && !s.decides() && list != "/meta":
		b.add("element missing", "none: "+at, want, b.drop(s)...)
	}
	if r.Max != nil && *r.Max == 1 && s.index >= 0 && s.property.repeats {
		want.Code = "structure"
		kind, name := "too many", "two: "+at
		if r.Slice != "" {
			kind, name = "slice repeated", "two of slice "+r.Slice+": "+at
		}
		b.add(kind, name, want, put(list+"/-", b.at(s.pointer)))
	}
}

// drop removes an element with what stands beside it.
func (b *breaker) drop(s spot) []Edit {
	patch := []Edit{remove(s.parent + "/" + s.name)}
	if beside := s.parent + "/_" + s.name; b.at(beside) != nil {
		patch = append(patch, remove(beside))
	}
	return patch
}

// untold takes from the element of a slice what tells it from others: then the slice is missing.
func (b *breaker) untold(s spot, r rule, want Want) {
	patch := b.retold(s, func(p property) bool { return b.types.known[p.typ] == nil })
	if len(patch) == 0 {
		patch = b.retold(s, func(p property) bool { return p.typ != "Extension" })
	}
	if value := other(s.property, b.at(s.pointer)); len(patch) == 0 && value != nil && s.decides() && (r.Pattern != nil || r.Fixed != nil) {
		patch = []Edit{replace(s.pointer, value)}
	}
	if len(patch) > 0 {
		b.add("slice broken", "slice "+r.Slice+" is told otherwise: "+want.Expression, want, patch...)
	}
}

// retold gives another value to what, of the types that is says, tells the slice of s.
func (b *breaker) retold(s spot, is func(property) bool) (patch []Edit) {
	for _, below := range b.spots {
		if !strings.HasPrefix(below.pointer, s.pointer+"/") || !below.decided || len(below.rules) == 0 || !is(below.property) {
			continue
		}
		if value := other(below.property, b.at(below.pointer)); value != nil {
			patch = append(patch, replace(below.pointer, value))
		}
	}
	return patch
}

// forbidden adds what a profile rules out.
func (b *breaker) forbidden(s spot) {
	name, p, found := s.name, s.property, s.property.typ != ""
	if !found {
		name, p, found = s.owner.named(s.name, "")
	}
	if !found {
		return
	}
	for _, r := range s.rules {
		if r.Max == nil || *r.Max > 0 {
			continue
		}
		v := b.quietly(func() any { return b.value(p, nil, place{}, nil) })
		at := s.parentPath + "." + s.element
		b.add("element forbidden", "forbidden: "+at,
			Want{Code: "structure", Expression: at, Rule: "cardinality", Source: r.owner.URL}, put(s.parent+"/"+name, wrap(p, v)))
		return
	}
}

func wrap(p property, value any) any {
	if p.repeats {
		return []any{value}
	}
	return value
}

// closed puts an element beside the slices that are all there may be.
func (b *breaker) closed(s spot, r rule) {
	if !strings.HasSuffix(r.Name, "[x]") {
		return
	}
	var named []string
	for i := range r.Slices {
		named = append(named, r.Slices[i].Types...)
	}
	b.variant(s, named, "slice closed", "outside the slices", Want{Code: "structure", Expression: s.path, Rule: "slice", Source: r.owner.URL})
}
