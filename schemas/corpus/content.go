package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// content breaks what a profile asks of a value.
func (b *breaker) content(s spot, r rule) {
	v := b.at(s.pointer)
	if value := other(s.property, v); value != nil {
		want := Want{Code: "value", Expression: s.path, Source: r.owner.URL}
		switch {
		case r.Fixed != nil:
			want.Rule = "fixed"
			b.add("fixed value", "another value: "+s.path, want, replace(s.pointer, value))
		case r.Pattern != nil:
			want.Rule = "pattern"
			b.add("pattern value", "another value: "+s.path, want, replace(s.pointer, value))
		}
	}
	if r.MaxLength > 0 {
		b.add("length", "too long: "+s.path, Want{Code: "too-long", Expression: s.path, Rule: "max-length", Source: r.owner.URL},
			replace(s.pointer, strings.Repeat("1", r.MaxLength+1)))
	}
	if r.Binding != nil {
		b.binding(s, r.Binding, r.owner.URL)
	}
	if len(r.Targets) > 0 && s.property.typ == "Reference" {
		b.target(s, r.Targets, r.owner.URL)
		b.poorTarget(s, r)
	}
	if name := s.property.choice + "Reference"; len(r.Targets) > 0 && s.property.typ != "Reference" && s.owner.properties[name].typ == "Reference" {
		b.add("target", "a reference to Endpoint: "+s.path, Want{Code: "value", Expression: s.path, Rule: "target", Source: r.owner.URL},
			append(b.drop(s), put(s.parent+"/"+name, map[string]any{"reference": "Endpoint/example"}))...)
	}
	if len(r.Types) > 0 && s.property.choice != "" && r.Slice == "" {
		b.variant(s, r.Types, "type", "another type", Want{Code: "structure", Expression: s.path, Rule: "type", Source: r.owner.URL})
	}
}

// other is a value that is not v, but of its type; nil for none.
func other(p property, v any) any {
	switch p.typ {
	case "uri", "url", "canonical":
		return "http://example.org/other"
	case "CodeableConcept":
		return map[string]any{"coding": []any{foreign()}}
	case "Coding":
		return foreign()
	case "Quantity", "SimpleQuantity", "Age", "Duration":
		return map[string]any{"value": 1.5, "unit": "other", "system": "http://example.org/codes", "code": "other"}
	case "boolean":
		return v != true
	case "Identifier":
		return map[string]any{"system": "http://example.org/identifiers", "value": "other"}
	}
	for _, code := range p.codes {
		if code != v {
			return code
		}
	}
	if _, isText := v.(string); isText && (p.typ == "string" || p.typ == "code") {
		return "other"
	}
	return nil
}

// foreign is a code of no value set.
func foreign() map[string]any {
	return map[string]any{"system": "http://example.org/codes", "code": "other"}
}

// binding uses a code outside a value set whose members are all held.
func (b *breaker) binding(s spot, binding *profile.Binding, source string) {
	set := b.valueSets[binding.ValueSet]
	if set == nil || set.Partial {
		return
	}
	value := other(s.property, "")
	if s.property.typ == "code" {
		value = outside(set, s.property.codes)
	}
	want := Want{Code: "code-invalid", Expression: s.path, Rule: "binding", Source: source}
	if binding.Strength != "required" {
		want.Severity = "warning"
		if strings.HasPrefix(source, coreDefinitions) && source[len(coreDefinitions)] <= 'Z' {
			want.Severity = "information"
		}
	}
	switch s.property.typ {
	case "code", "CodeableConcept", "Coding", "Quantity":
		if value != nil {
			b.add("binding "+binding.Strength, "a code outside the value set: "+s.path, want, replace(s.pointer, value))
		}
	}
}

// outside returns a code that the type allows, where it allows only some, and the value set does not.
func outside(set *terminology.ValueSet, allowed []string) any {
	if len(allowed) == 0 {
		allowed = []string{"synthetic-other"}
	}
	for _, code := range allowed {
		if !slices.ContainsFunc(slices.Collect(maps.Values(set.Codes)), func(codes []string) bool {
			return len(codes) == 0 || slices.Contains(codes, code)
		}) {
			return code
		}
	}
	return nil
}

// target refers to a type that is not allowed.
func (b *breaker) target(s spot, targets []string, source string) {
	allowed := map[string]bool{"Resource": true}
	for _, t := range targets {
		if p := b.library.Profile(t); p != nil {
			t = p.Type
		} else if strings.Contains(t, "/") {
			return // one that is not held may be of any type
		}
		allowed[t] = true
	}
	for _, t := range append(slices.Clone(s.property.targets), "Substance", "Endpoint") {
		if !allowed[t] && b.types.resources[t] {
			b.add("target", "a reference to "+t+": "+s.path, Want{Code: "value", Expression: s.path, Rule: "target", Source: source},
				replace(s.pointer, map[string]any{"reference": t + "/example"}))
			return
		}
	}
}

// poorTarget refers to a resource of the right type that lacks all that the profiles of the target ask for.
func (b *breaker) poorTarget(s spot, r rule) {
	typ := ""
	for _, t := range r.Targets {
		p := b.library.Profile(t)
		if p == nil || typ != "" && p.Type == typ && !demanding(p) {
			return
		}
		if typ == "" && demanding(p) {
			typ = p.Type
		}
	}
	if typ == "" || slices.ContainsFunc(r.Targets, func(t string) bool { p := b.library.Profile(t); return p.Type == typ && !demanding(p) }) {
		return
	}
	edit := put("/contained", []any{map[string]any{"resourceType": typ, "id": "poor"}})
	if b.instance["contained"] != nil {
		edit = put("/contained/-", edit.Value.([]any)[0])
	}
	b.add("target", "a reference to a poor "+typ+": "+s.path, Want{Code: "value", Expression: s.path, Rule: "target", Source: r.owner.URL},
		edit, replace(s.pointer, map[string]any{"reference": "#poor"}))
}

// demanding tells a profile that an empty resource does not conform to.
func demanding(p *profile.Profile) bool {
	return slices.ContainsFunc(p.Root.Children, func(c profile.Element) bool { return c.Min > 0 })
}

// variant puts in the place of a choice's value one of a type that is not among allowed.
func (b *breaker) variant(s spot, allowed []string, kind, name string, want Want) {
	for _, suffix := range []string{"String", "Boolean", "DateTime", "Quantity", "CodeableConcept", "Integer", "Period", "Age", "Uri", "Instant"} {
		p, found := s.owner.properties[s.property.choice+suffix]
		if !found || slices.ContainsFunc(allowed, func(t string) bool { return strings.EqualFold(t, suffix) }) {
			continue
		}
		v := b.quietly(func() any { return b.value(p, nil, place{}, nil) })
		b.add(kind, name+": "+s.path, want, append(b.drop(s), put(s.parent+"/"+s.property.choice+suffix, v))...)
		return
	}
}
