package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// carrier is a profile that asks for nothing and names an extension, where this may stand, or an identifier of
// Patient for each number system: so that an instance has what no profile of a resource speaks of.
func carrier(typ string, elements ...profile.Element) *profile.Profile {
	return &profile.Profile{Name: typ, Type: typ, Root: profile.Element{Children: elements}}
}

// standsOn are elements that are of a type, or elements of any, as contexts of extensions name them.
var standsOn = map[string]string{
	"Address": "Patient.address", "ContactPoint": "Patient.telecom", "Identifier": "Patient.identifier",
	"Element": "Patient", "Resource": "Patient", "date": "Patient.birthDate", "code": "Patient.gender",
	"string": "Organization.name", "time": "HealthcareService.availableTime.availableStartTime",
}

// extensionCarrier returns the carrier of the extension p.
func extensionCarrier(p *profile.Profile) *profile.Profile {
	context := "Element"
	if len(p.Contexts) > 0 {
		context = p.Contexts[0]
	}
	path := strings.Split(cmp.Or(standsOn[context], context), ".")
	e := profile.Element{
		Name:    "extension",
		Slicing: &profile.Slicing{Discriminators: []profile.Discriminator{{Type: "value", Path: "url"}}, Rules: "open"},
		Slices:  []profile.Element{{Name: "extension", Slice: "it", Profiles: []string{p.URL}}},
	}
	for _, name := range slices.Backward(path[1:]) {
		e = profile.Element{Name: name, Children: []profile.Element{e}}
	}
	return carrier(path[0], e)
}

// numberCarrier returns the carrier of the identifiers that have a profile with a system.
func numberCarrier(identifiers []*profile.Profile) *profile.Profile {
	e := profile.Element{Name: "identifier"}
	for _, p := range identifiers {
		e.Slices = append(e.Slices, profile.Element{Name: "identifier", Slice: p.Name, Profiles: []string{p.URL}})
	}
	return carrier("Patient", e)
}

// system is the number system that the profile of an identifier fixes; "" for none.
func system(p *profile.Profile) (uri string) {
	for _, c := range p.Root.Children {
		if c.Name == "system" && c.Fixed != nil {
			if err := json.Unmarshal(c.Fixed, &uri); err != nil {
				return ""
			}
		}
	}
	return uri
}

// misnumbered breaks the numbers of an instance of numberCarrier. No profile asks for them, so that the number system
// alone decides: a wrong number is worth a warning.
func (b *breaker) misnumbered(identifiers []*profile.Profile) []Case {
	for _, s := range b.spots {
		i := slices.IndexFunc(identifiers, func(p *profile.Profile) bool {
			return s.slice != nil && s.property.typ == "Identifier" && s.slice.Slice == p.Name
		})
		if i < 0 {
			continue
		}
		wrong := numbers(identifiers[i].URL).wrong
		for _, key := range slices.Sorted(maps.Keys(wrong)) {
			want := Want{Severity: "warning", Code: "value", Expression: s.path + ".value", Rule: key, Source: identifiers[i].URL}
			if strings.HasPrefix(key, outsideGuide) {
				want.Rule, want.Source = "identifier", fhir.OwnRules
			}
			b.add("identifier", identifiers[i].Name+" breaks "+key+": "+s.path, want, replace(s.pointer+"/value", wrong[key]))
		}
	}
	return b.cases
}
