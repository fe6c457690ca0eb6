package main

import (
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// partsOf returns the slices that rules speak of, those of one name together, and how they are told apart. What may
// not be there is left out, but for the variants of a choice.
func partsOf(rules []rule) (parts [][]rule, slicings []profile.Slicing) {
	for _, r := range rules {
		if r.Slicing != nil {
			slicings = append(slicings, *r.Slicing)
		}
		for i := range r.Slices {
			s := rule{&r.Slices[i], r.owner}
			if s.Max != nil && *s.Max == 0 && len(s.Types) == 0 || s.contradicts() {
				continue
			}
			if at := slices.IndexFunc(parts, func(part []rule) bool { return part[0].Slice == s.Slice }); at >= 0 {
				parts[at] = append(parts[at], s)
			} else {
				parts = append(parts, []rule{s})
			}
		}
	}
	return parts, slicings
}

// contradicts tells a slice of extensions that must have another url than that of their definition, as in AU Base's
// date-of-arrival: nothing conforms to it.
func (r rule) contradicts() bool {
	return len(r.Profiles) > 0 && slices.ContainsFunc(r.Children, func(c profile.Element) bool { return c.Name == "url" && c.Fixed != nil })
}

// unknowable tells a slice that is told by a value set whose codes are not held.
func (m *maker) unknowable(r rule) bool {
	return r.Binding != nil && r.Fixed == nil && r.Pattern == nil && m.valueSets[r.Binding.ValueSet] == nil
}

// chosenVariant returns the slice of a choice whose variant is made: the first, but a date before others.
func chosenVariant(parts [][]rule) []rule {
	var found []rule
	for _, part := range parts {
		if types := part[0].Types; len(types) > 0 && (found == nil || types[0] == "dateTime") {
			found = part
		}
	}
	return found
}
