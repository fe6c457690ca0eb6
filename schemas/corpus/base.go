package main

import (
	"slices"
	"strconv"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// base breaks what the type itself asks of an element.
func (b *breaker) base(s spot) {
	source := s.owner.source()
	element := s.element
	if s.property.choice != "" {
		element += "[x]"
	}
	if slices.Contains(s.owner.requiredElements(), element) && b.size(s.parent) > 1 && !s.decides() {
		at := s.parentPath + "." + s.element
		b.add("element missing", "without what the type needs: "+at, Want{Code: "required", Expression: at}, b.drop(s)...)
	}
	for _, i := range s.property.invariants {
		b.invariant(s.pointer, s.path, i, source)
	}
	if d := b.types.known[s.property.typ]; d != nil && s.property.typ != "Resource" {
		for _, i := range d.invariants {
			b.invariant(s.pointer, s.path, i, d.source())
		}
		b.add("invariant", "nothing but an id: "+s.path, Want{Code: "invariant", Expression: s.path, Rule: "ele-1", Source: coreDefinitions + "Element"},
			replace(s.pointer, map[string]any{"id": "a"}))
	} else {
		b.primitiveFaults(s)
	}
	if s.decides() {
		return
	}
	if len(s.property.codes) > 0 {
		b.add("binding required", "no code of the type: "+s.path, Want{Code: "code-invalid", Expression: s.path}, replace(s.pointer, "synthetic-other"))
	}
	if s.property.valueSet != "" && s.property.typ != "code" {
		b.binding(s, &profile.Binding{Strength: "required", ValueSet: s.property.valueSet}, source)
	}
	if len(s.property.targets) > 0 {
		b.target(s, s.property.targets, source)
	}
}

// malformed are values that are none of a primitive type, and what is wrong with them.
var malformed = map[string][]struct {
	why   string
	value any
}{
	"date": {{"a day that the month does not have", "2026-02-30"}, {"a month that the year does not have", "2026-13-01"},
		{"a date as people write it", "31/01/2026"}, {"a date without zeros", "2026-1-5"}, {"a date with a time", "2026-01-31T09:30:00Z"}},
	"dateTime": {{"a day that the month does not have", "2026-02-30T09:30:00+10:00"}, {"a time without a zone", "2026-01-31T09:30:00"},
		{"a time without seconds", "2026-01-31T09:30+10:00"}, {"an hour that the day does not have", "2026-01-31T25:30:00+10:00"},
		{"a date as people write it", "31/01/2026"}},
	"instant": {{"a time without a zone", "2026-01-31T09:30:00"}, {"a date alone", "2026-01-31"},
		{"a day that the month does not have", "2026-02-30T09:30:00Z"}},
	"time":         {{"an hour that the day does not have", "25:00:00"}, {"a time without zeros", "9:30"}},
	"boolean":      {{"a word", "yes"}},
	"integer":      {{"a fraction", 1.5}, {"a word", "one"}},
	"positiveInt":  {{"zero", 0}, {"a fraction", 1.5}},
	"unsignedInt":  {{"less than zero", -1}},
	"decimal":      {{"a word", "one"}},
	"code":         {{"a space at the end", "active "}, {"a number", 1}},
	"string":       {{"a number", 1}},
	"uri":          {{"a space", "http://example.org/a b"}},
	"canonical":    {{"a space", "http://example.org/a b"}},
	"base64Binary": {{"no base64", "####"}},
}

// primitiveFaults puts what is no value of the type in the place of one.
func (b *breaker) primitiveFaults(s spot) {
	kind := "format"
	switch s.property.typ {
	case "date", "dateTime", "instant", "time":
		kind = "date or time"
	}
	if len(s.property.codes) > 0 {
		return
	}
	for _, m := range malformed[s.property.typ] {
		b.add(kind, m.why+": "+s.path, Want{Code: "value", Expression: s.path}, replace(s.pointer, m.value))
	}
}

// resource breaks what FHIR asks of every resource.
func (b *breaker) resource() {
	domain := func(key string) Want {
		return Want{Code: "invariant", Expression: b.profile.Type, Rule: key, Source: coreDefinitions + "DomainResource"}
	}
	typ := b.profile.Type
	b.add("element unknown", "an element that the type does not have: "+typ, Want{Code: "structure", Expression: typ}, put("/synthetic", "Synthetic"))
	b.add("format", "an id with a space: "+typ+".id", Want{Code: "value", Expression: typ + ".id"}, replace("/id", "not an id"))
	b.within("contained", "")
	b.within("entry", "resource")
	if typ == "Bundle" {
		return
	}
	if at := typ + ".modifierExtension[0]"; b.instance["modifierExtension"] == nil {
		b.add("extension", "an unknown modifier extension: "+at, Want{Code: "extension", Expression: at},
			put("/modifierExtension", []any{map[string]any{"url": "http://example.org/extensions/synthetic", "valueBoolean": true}}))
	}
	contained := func(content map[string]any) Edit {
		content["resourceType"], content["id"] = "Basic", "poor"
		content["code"] = map[string]any{"text": "Synthetic"}
		if b.instance["contained"] != nil {
			return put("/contained/-", content)
		}
		return put("/contained", []any{content})
	}
	extension := put("/extension", []any{map[string]any{"url": "http://example.org/extensions/synthetic", "valueReference": map[string]any{"reference": "#poor"}}})
	if b.instance["extension"] != nil {
		extension = put("/extension/-", extension.Value.([]any)[0])
	}
	b.add("invariant", "contains what nothing refers to: "+typ, domain("dom-3"), contained(map[string]any{}))
	b.add("invariant", "contains a resource with a version: "+typ, domain("dom-4"), extension, contained(map[string]any{"meta": map[string]any{"versionId": "1"}}))
	b.add("invariant", "contains a resource with a security label: "+typ, domain("dom-5"), extension,
		contained(map[string]any{"meta": map[string]any{"security": []any{foreign()}}}))
	warning := domain("dom-6")
	warning.Severity = "warning"
	b.add("invariant", "has no narrative: "+typ, warning, remove("/text"))
}

// within takes from the resources that stand in a list of the instance what their profiles require.
func (b *breaker) within(list, member string) {
	items, _ := b.instance[list].([]any)
	for i := range items {
		pointer, path := "/"+list+"/"+strconv.Itoa(i), b.profile.Type+"."+list+"["+strconv.Itoa(i)+"]"
		if member != "" {
			pointer, path = pointer+"/"+member, path+"."+member
		}
		urls, _ := b.at(pointer + "/meta/profile").([]any)
		if len(urls) == 0 {
			continue
		}
		p := b.library.Profile(urls[0].(string))
		for _, c := range p.Root.Children {
			if c.Min > 0 && b.at(pointer+"/"+c.Name) != nil && c.Name != "extension" {
				b.add("element missing", "none within: "+path+"."+c.Name,
					Want{Code: "required", Expression: path + "." + c.Name, Rule: "cardinality", Source: p.URL}, remove(pointer+"/"+c.Name))
			}
		}
	}
}
