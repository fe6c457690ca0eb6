package compile

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// object makes the schema of one level of a StructureDefinition: a type itself, or an element with children.
type object struct {
	*compiler
	structure *structureDefinition
	path      string // "Patient", "Patient.contact"
	children  map[string][]elementDefinition

	properties schema
	required   []string
	allOf      []schema // for elements that may stand under several names
}

func (o *object) schema() (schema, error) {
	if o.isResource() {
		o.properties = append(o.properties, field{"resourceType", schema{{"const", o.path}}})
		o.required = append(o.required, "resourceType")
	}
	for _, e := range o.children[o.path] {
		if e.Max == "0" {
			continue
		}
		if err := o.element(e); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	s := schema{{"type", "object"}, {"additionalProperties", false}}
	if len(o.required) > 0 {
		s = append(s, field{"required", o.required})
	}
	if len(o.allOf) > 0 {
		s = append(s, field{"allOf", o.allOf})
	}
	s = append(s, rulesKeyword(o.invariants())...)
	return append(s, field{"properties", o.properties}), nil
}

// invariants returns the rules of the level itself.
func (o *object) invariants() []profile.Invariant {
	if e := o.structure.element(o.path); e != nil {
		return invariants(e.Constraint, nil)
	}
	return nil
}

// isResource tells a resource type from a datatype and from what is nested in either.
func (o *object) isResource() bool {
	return o.structure.Kind == "resource" && o.path == o.structure.Type
}

// element adds the properties of e: one, two for a primitive (the second is _name, FHIR R4 json.html#primitive), or
// those of every variant of a choice (FHIR R4 formats.html#choice).
func (o *object) element(e elementDefinition) error {
	name := path.Ext(e.Path)[1:]
	choice, isChoice := strings.CutSuffix(name, "[x]")
	var standsAs []string
	add := func(name, ref string, nullable bool, keywords schema) {
		value := schema{{"$ref", ref}}
		if e.Max != "1" {
			value = array(value, nullable)
		}
		if isChoice {
			value = append(value, field{"choice", choice})
		}
		value = append(value, keywords...)
		o.properties = append(o.properties, field{name, value})
		standsAs = append(standsAs, name)
	}
	nested := o.nested(e)
	if nested != "" {
		var rules schema
		if e.ContentReference != "" { // what it names has other rules
			rules = rulesKeyword(invariants(e.Constraint, nil))
		}
		add(name, nested, false, rules)
		e.Type = nil
	} else if len(e.Type) == 0 {
		return errors.New("no type")
	}
	for _, t := range e.Type {
		property := name
		if isChoice {
			property = choice + strings.ToUpper(t.Code[:1]) + t.Code[1:]
		}
		ref, isPrimitive, err := o.typeRef(t.Code, name, e)
		if err != nil {
			return err
		}
		add(property, ref, isPrimitive, o.keywords(e, t))
		if isPrimitive {
			add("_"+property, o.datatypeRef("Element"), true, nil)
		}
	}
	if e.Min > 0 {
		o.require(standsAs)
	}
	return nil
}

// require demands that one of names is there.
func (o *object) require(names []string) {
	if len(names) == 1 {
		o.required = append(o.required, names[0])
		return
	}
	var anyOf []schema
	for _, name := range names {
		anyOf = append(anyOf, schema{{"required", []string{name}}})
	}
	o.allOf = append(o.allOf, schema{{"anyOf", anyOf}})
}

// nested returns a reference to the element's own children, or to those that its contentReference names, or "".
func (o *object) nested(e elementDefinition) string {
	if e.ContentReference != "" {
		_, target, _ := strings.Cut(e.ContentReference, "#")
		return definition + target
	}
	if o.children[e.Path] != nil {
		return definition + e.Path
	}
	return ""
}

// typeRef returns a reference to a type, and whether it is a primitive that may have a sibling _name. The types
// named by a URL are FHIRPath's own: they stand for ids and Extension.url, which have no sibling.
func (o *object) typeRef(code, name string, e elementDefinition) (ref string, isPrimitive bool, err error) {
	switch {
	case strings.HasPrefix(code, "http://hl7.org/fhirpath/") && name == "id" && o.isResource():
		return primitivesFile + definition + "id", false, nil
	case strings.HasPrefix(code, "http://hl7.org/fhirpath/") && name == "url":
		return primitivesFile + definition + "uri", false, nil
	case strings.HasPrefix(code, "http://hl7.org/fhirpath/"):
		return primitivesFile + definition + "string", false, nil
	case code == "code" && e.Binding.Strength == "required":
		url, _, _ := strings.Cut(e.Binding.ValueSet, "|")
		if codes := o.defs.codeList(url); codes != nil {
			list := path.Base(url)
			if other := o.valueSets[list]; other != "" && other != url {
				return "", false, fmt.Errorf("value sets %s and %s would share the name %s", other, url, list)
			}
			o.codes[list], o.valueSets[list] = codes, url
			return codesFile + definition + list, true, nil
		}
	}
	if o.primitives[code] {
		return primitivesFile + definition + code, true, nil
	}
	return o.datatypeRef(code), false, nil
}

func (o *object) datatypeRef(name string) string {
	if o.structure.Kind == "resource" {
		return datatypesFile + definition + name
	}
	return definition + name
}

// array wraps an element that repeats. Arrays of primitives and of their siblings hold null where only the other has
// something to say.
func array(items schema, nullable bool) schema {
	if nullable {
		items = schema{{"anyOf", []schema{items, {{"type", "null"}}}}}
	}
	return schema{{"type", "array"}, {"minItems", 1}, {"items", items}}
}
