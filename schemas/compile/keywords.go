package compile

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// baseURL is where the canonical URLs of FHIR's own types begin.
const baseURL = "http://hl7.org/fhir/StructureDefinition/"

// everywhere are the invariants of every element and every resource: package schemas applies them without being told.
var everywhere = []string{"ele-1", "ext-1", "dom-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6"}

// invariants returns the rules in constraints but for those that hold everywhere or are known to skip.
func invariants(constraints []constraint, skip func(constraint) bool) []profile.Invariant {
	var found []profile.Invariant
	for _, c := range constraints {
		if slices.Contains(everywhere, c.Key) || c.Expression == "" || skip != nil && skip(c) {
			continue
		}
		found = append(found, profile.Invariant{Key: c.Key, Severity: c.Severity, Human: c.Human, Expression: c.Expression})
	}
	return found
}

// keywords are what draft-07 has no word for, in the words of the tables of profiles: where a Reference may lead,
// which codes a concept may have, which rules the element obeys.
func (o *object) keywords(e elementDefinition, t elementType) schema {
	var s schema
	if targets := plainTargets(t); len(targets) > 0 {
		s = append(s, field{"targets", targets})
	}
	if b := o.defs.binding(e, t.Code); b != nil {
		s = append(s, field{"binding", b})
	}
	if rules := invariants(e.Constraint, nil); len(rules) > 0 {
		s = append(s, field{"invariants", rules})
	}
	return s
}

// plainTargets names the types that a Reference may lead to; nil where it may be any.
func plainTargets(t elementType) []string {
	var names []string
	if t.Code != "Reference" {
		return nil
	}
	for _, target := range t.TargetProfile {
		name, isType := strings.CutPrefix(target, baseURL)
		if !isType || name == "Resource" {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// binding returns the binding of e where it decides something about a value of the type called code: required or
// extensible, and no code list of its own already.
func (d *Definitions) binding(e elementDefinition, code string) *profile.Binding {
	strength := e.Binding.Strength
	if strength != "required" && strength != "extensible" || e.Binding.ValueSet == "" {
		return nil
	}
	url, _, _ := strings.Cut(e.Binding.ValueSet, "|")
	switch code {
	case "CodeableConcept", "Coding", "Quantity", "SimpleQuantity", "string", "uri":
	case "code":
		if strength == "required" && d.codeList(url) != nil {
			return nil
		}
	default:
		return nil
	}
	return &profile.Binding{Strength: strength, ValueSet: url}
}
