package fhir

import (
	"encoding/json"
	"slices"
	"strings"
)

// Replace gives the new text of a string below an element called name, or false to keep it as written.
type Replace func(name, text string) (string, bool)

// Members returns the members of an object, without those in omit, as JSON text without braces. Every value stands
// as it was written, decimals and white space included, except for the strings that replace changes.
func (v *Value) Members(replace Replace, omit ...string) string {
	var b strings.Builder
	for i, name := range v.Names() {
		if slices.Contains(omit, name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(name))
		b.WriteByte(':')
		child := &v.items[i]
		child.rewrite(&b, name, v.text[child.start-v.start:child.end-v.start], replace)
	}
	return b.String()
}

// rewrite writes v, whose source is given, to b.
func (v *Value) rewrite(b *strings.Builder, name, source string, replace Replace) {
	written := v.start
	v.walk(name, "", func(name, _ string, s *Value) {
		if text, ok := replace(name, s.text); ok {
			b.WriteString(source[written-v.start : s.start-v.start])
			b.WriteString(quote(text))
			written = s.end
		}
	})
	b.WriteString(source[written-v.start:])
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("fhir: a string encodes: " + err.Error())
	}
	return string(b)
}
