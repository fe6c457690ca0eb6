package fhir

import "slices"

// Replace gives the new text of a string below an element called name, or false to keep it as written.
type Replace func(name, text string) (string, bool)

// Members returns the members of an object, without those in omit, as JSON text without braces and without white
// space between tokens. Numbers and strings stand as they were written, escapes included, except for the strings
// that replace changes.
func (v *Value) Members(replace Replace, omit ...string) string {
	if v == nil {
		return ""
	}
	b := make([]byte, 0, len(v.text))
	for i, name := range v.names {
		if slices.Contains(omit, name) {
			continue
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = v.appendMember(b, i, replace)
	}
	return string(b)
}

func (v *Value) appendMember(b []byte, i int, replace Replace) []byte {
	b = append(appendQuoted(b, v.names[i]), ':')
	return v.items[i].appendTo(b, v.names[i], v.sourceOf(i), replace)
}

// sourceOf returns item i of an array or object as it was written.
func (v *Value) sourceOf(i int) string {
	return v.text[v.items[i].start-v.start : v.items[i].end-v.start]
}

// appendTo appends v, which stands in an element called name and was written as source.
func (v *Value) appendTo(b []byte, name, source string, replace Replace) []byte {
	switch v.kind {
	case Object:
		b = append(b, '{')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.appendMember(b, i, replace)
		}
		return append(b, '}')
	case Array:
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.items[i].appendTo(b, name, v.sourceOf(i), replace)
		}
		return append(b, ']')
	case String:
		if text, ok := replace(name, v.text); ok {
			return appendQuoted(b, text)
		}
	default: // as written
	}
	return append(b, source...)
}

// appendQuoted appends s, which passed the gate or is made of what did, as a JSON string.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\t':
			b = append(b, '\\', 't')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
