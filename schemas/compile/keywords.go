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
	if b := e.binding(t.Code); b != nil && !o.defs.hasCodeList(t.Code, b) {
		s = append(s, field{"binding", b})
	}
	rules := invariants(e.Constraint, nil)
	for _, url := range t.Profile {
		rules = append(rules, o.defs.profileRules(url)...)
	}
	return append(s, rulesKeyword(rules)...)
}

// rulesKeyword returns the keyword for rules, if there are any.
func rulesKeyword(rules []profile.Invariant) schema {
	if len(rules) == 0 {
		return nil
	}
	return schema{{"invariants", rules}}
}

// profileRules are the rules that a profile on a datatype adds to it: that a SimpleQuantity has no comparator.
func (d *Definitions) profileRules(url string) []profile.Invariant {
	url, _, _ = strings.Cut(url, "|")
	s := d.structures[url]
	if s == nil || len(s.Snapshot.Element) == 0 {
		return nil
	}
	return invariants(s.Snapshot.Element[0].Constraint, d.isStatedByType)
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
// extensible.
func (e *elementDefinition) binding(code string) *profile.Binding {
	strength := e.Binding.Strength
	if strength != "required" && strength != "extensible" || e.Binding.ValueSet == "" {
		return nil
	}
	switch code {
	case "code", "CodeableConcept", "Coding", "Quantity", "string", "uri":
	default:
		return nil
	}
	url, _, _ := strings.Cut(e.Binding.ValueSet, "|")
	return &profile.Binding{Strength: strength, ValueSet: url}
}

// hasCodeList tells whether the schema of an element of this type lists the codes of its binding.
func (d *Definitions) hasCodeList(code string, b *profile.Binding) bool {
	return code == "code" && b.Strength == "required" && d.codeList(b.ValueSet) != nil
}
