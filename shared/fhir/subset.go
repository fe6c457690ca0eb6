package fhir

import "strings"

// Keep tells whether the element called name, without an underscore, belongs to a subset of its owner, and what the
// owner of its own elements is: empty, and all of it belongs.
type Keep func(owner, name string) (inside string, keep bool)

// Subset returns those members of an object that keep wants of owner, as Members does. An element of which nothing would
// be left stays whole, for there are no empty ones in FHIR (FHIR R4 json.html).
func (v *Value) Subset(owner string, keep Keep) string {
	if v.Kind() != Object {
		return ""
	}
	return string(v.appendSubset(nil, owner, keep))
}

func (v *Value) appendSubset(b []byte, owner string, keep Keep) []byte {
	for i := range v.items {
		item := &v.items[i]
		name := item.Name()
		inside, ok := keep(owner, strings.TrimPrefix(name, "_"))
		if !ok {
			continue
		}
		if len(b) > 0 && b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		if inside == "" || strings.HasPrefix(name, "_") {
			b = v.appendMember(b, i, asWritten)
			continue
		}
		b = item.appendInside(append(appendQuoted(b, name), ':'), inside, keep)
	}
	return b
}

// appendInside appends the subset of an element, or of each one of an array.
func (v *Value) appendInside(b []byte, owner string, keep Keep) []byte {
	switch v.kind {
	case Array:
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.items[i].appendInside(b, owner, keep)
		}
		return append(b, ']')
	case Object:
		start := len(b)
		b = v.appendSubset(append(b, '{'), owner, keep)
		if len(b) > start+1 {
			return append(b, '}')
		}
		b = b[:start]
	default: // a primitive is whole
	}
	return v.appendTo(b, "", asWritten)
}

func asWritten(string, string) (string, bool) { return "", false }
