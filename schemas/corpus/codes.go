package main

import (
	"maps"
	"slices"
	"strings"
)

// elementKey is a key without the names of slices.
func elementKey(key string) string {
	steps := strings.Split(key, ".")
	for i := range steps {
		steps[i], _, _ = strings.Cut(steps[i], ":")
	}
	return strings.Join(steps, ".")
}

func isLeftOut(key string) bool { return leftOut[key] || leftOut[elementKey(key)] }

// anyCode is a code where any will do.
const anyCode = "synthetic"

// member returns favourite where a value set has it, else its first code that is held.
func (m *maker) member(valueSet, favourite string) (system, code string, found bool) {
	set := m.valueSets[valueSet]
	if set == nil {
		return "", "", false
	}
	for _, s := range slices.Sorted(maps.Keys(set.Codes)) {
		codes := set.Codes[s]
		if slices.Contains(codes, favourite) {
			return s, favourite, true
		}
		if len(codes) > 0 && (!found || code == anyCode) {
			system, code, found = s, codes[0], true
		}
		if len(codes) == 0 && !found {
			system, code, found = s, anyCode, true
		}
	}
	return system, code, found
}

func (m *maker) concept(object map[string]any, p property, rules []rule, at place) {
	sets := []string{p.valueSet}
	for _, r := range rules {
		if r.Binding != nil {
			sets = append(sets, r.Binding.ValueSet)
		}
	}
	for end, set := range memberships {
		if strings.HasSuffix(at.key, end) {
			sets = append(sets, set)
		}
	}
	for _, set := range slices.Backward(sets) {
		system, code, found := m.member(set, favourites[elementKey(at.key)])
		if !found {
			continue
		}
		coding := map[string]any{"system": system, "code": code}
		if p.typ == "Coding" {
			clear(object)
			maps.Copy(object, coding)
			return
		}
		object["coding"] = []any{coding}
		return
	}
}

// favour puts the code into a concept that a rule asks for and no value set tells.
func (m *maker) favour(object map[string]any, p property, key string) {
	coding := object
	if p.typ == "CodeableConcept" {
		coding, key = map[string]any{}, key+".coding"
	}
	for _, name := range []string{"system", "code"} {
		if code, found := favourites[key+"."+name]; found {
			coding[name] = code
		}
	}
	if p.typ == "CodeableConcept" && len(coding) == 2 {
		object["coding"] = []any{coding}
	}
}
