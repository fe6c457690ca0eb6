package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// value makes one element of p's type that obeys rules, from what is there already, if anything.
func (m *maker) value(p property, rules []rule, at place, existing any) any {
	if m.types.known[p.typ] == nil {
		return m.primitive(p, rules, at, existing)
	}
	if p.typ == "Resource" {
		return m.anyResource(rules)
	}
	for _, r := range slices.Clone(rules) {
		if len(r.Profiles) > 0 {
			if other := m.library.Profile(r.Profiles[0]); other != nil && other.Type == p.typ {
				rules = append(rules, rule{&other.Root, other})
			}
		}
	}
	object, found := existing.(map[string]any)
	if !found {
		object = m.datatype(p, rules, at)
	}
	m.fill(object, p.typ, rules, at)
	for _, pattern := range patterns(rules) {
		merge(object, pattern)
	}
	if p.typ == "Extension" && object["extension"] == nil && !hasValue(object) {
		object["valueString"] = "Synthetic"
	}
	if len(object) == 0 {
		object["extension"] = []any{map[string]any{"url": "http://example.org/extensions/synthetic", "valueString": "Synthetic"}}
	}
	return object
}

// datatype makes a value of a datatype that its rules would not tell how to make.
func (m *maker) datatype(p property, rules []rule, at place) map[string]any {
	if wanted := patterns(rules); len(wanted) > 0 {
		return wanted[len(wanted)-1]
	}
	object := datatype(p.typ)
	switch p.typ {
	case "Reference":
		m.reference(object, p, rules)
	case "Extension":
		m.extension(object, rules)
	case "CodeableConcept", "Coding":
		m.concept(object, p, rules, at)
		m.favour(object, p, elementKey(at.key))
	case "Identifier":
		for _, r := range rules {
			if r.owner.Type == p.typ && r.Element == &r.owner.Root {
				object["value"] = numbers(r.owner.URL).good
			}
		}
	}
	return object
}

func hasValue(extension map[string]any) bool {
	for name := range extension {
		if strings.HasPrefix(name, "value") {
			return true
		}
	}
	return false
}

func decoded(raw json.RawMessage) any {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(fmt.Errorf("a table holds JSON: %w", err))
	}
	return v
}

// patterns are the objects that rules fix, or ask for a part of.
func patterns(rules []rule) []map[string]any {
	var all []map[string]any
	for _, r := range rules {
		for _, raw := range []json.RawMessage{r.Fixed, r.Pattern} {
			if raw != nil {
				all = append(all, decoded(raw).(map[string]any))
			}
		}
	}
	return all
}

// merge puts all that pattern has into object: of an array, what it has not.
func merge(object, pattern map[string]any) {
	for name, wanted := range pattern {
		items, isList := object[name].([]any)
		if !isList {
			object[name] = wanted
			continue
		}
		for _, item := range wanted.([]any) {
			if !slices.ContainsFunc(items, func(other any) bool { return reflect.DeepEqual(other, item) }) {
				items = append(items, item)
			}
		}
		object[name] = items
	}
}

func (m *maker) primitive(p property, rules []rule, at place, existing any) any {
	for _, r := range slices.Backward(rules) {
		for _, raw := range []json.RawMessage{r.Fixed, r.Pattern} {
			if raw != nil {
				return decoded(raw)
			}
		}
	}
	key := elementKey(at.key)
	if code, found := favourites[key]; found {
		return code
	}
	if key == "Bundle.entry.fullUrl" {
		entry, _ := strconv.Atoi(strings.Split(at.pointer, "/")[2])
		return fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", entry)
	}
	for _, r := range slices.Backward(rules) {
		if r.Binding != nil && r.Binding.Strength == "required" {
			if _, code, found := m.member(r.Binding.ValueSet, ""); found {
				return code
			}
		}
	}
	if existing != nil {
		return existing
	}
	if len(p.codes) > 0 {
		if slices.Contains(p.codes, "active") {
			return "active"
		}
		return p.codes[0]
	}
	return primitives[p.typ]
}
