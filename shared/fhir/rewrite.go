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
	b := make([]byte, 0, v.end-v.start)
	for i := range v.items {
		if slices.Contains(omit, v.items[i].Name()) {
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
	name := v.items[i].Name()
	b = append(appendQuoted(b, name), ':')
	return v.items[i].appendTo(b, name, replace)
}

// appendTo appends v, which stands in an element called name.
func (v *Value) appendTo(b []byte, name string, replace Replace) []byte {
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
			b = v.items[i].appendTo(b, name, replace)
		}
		return append(b, ']')
	case String:
		if text, ok := replace(name, v.Text()); ok {
			return appendQuoted(b, text)
		}
	default: // as written
	}
	return append(b, v.document.source[v.start:v.end]...)
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
