package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// types are the types of FHIR as the schemas in folder r4 describe them.
type types struct {
	known     map[string]*typeDef
	resources map[string]bool
	codes     map[string][]string
}

// typeDef is a resource type, a datatype, or an element with children of its own.
type typeDef struct {
	name       string
	properties map[string]property
	required   []string // property names; of a choice or a primitive its first variant
	invariants []profile.Invariant
}

// requiredElements are the names of required elements, of a choice with [x].
func (d *typeDef) requiredElements() []string {
	names := slices.Clone(d.required)
	for i, name := range names {
		if choice := d.properties[name].choice; choice != "" {
			names[i] = choice + "[x]"
		}
	}
	return names
}

// source is the canonical URL of the definition that states what d asks.
func (d *typeDef) source() string {
	owner, _, _ := strings.Cut(d.name, ".")
	return "http://hl7.org/fhir/StructureDefinition/" + owner
}

type property struct {
	typ        string // name of a datatype, primitive type or nested element; "Resource" for any
	repeats    bool
	choice     string // the element it is a variant of
	codes      []string
	targets    []string
	valueSet   string // of a required binding of a concept
	invariants []profile.Invariant
}

func readTypes(folder string) (*types, error) {
	t := &types{known: map[string]*typeDef{}, resources: map[string]bool{}, codes: map[string][]string{}}
	var lists struct {
		Definitions map[string]struct{ Enum []string }
	}
	if err := readJSON(filepath.Join(folder, "codes.schema.json"), &lists); err != nil {
		return nil, err
	}
	for name, list := range lists.Definitions {
		t.codes[name] = list.Enum
	}
	paths, err := filepath.Glob(filepath.Join(folder, "[A-Z]*.schema.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range append(paths, filepath.Join(folder, "datatypes.schema.json")) {
		var file struct {
			Title       string
			Definitions map[string]json.RawMessage
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &file); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if file.Title != "" {
			t.resources[file.Title] = true
			if err := t.add(file.Title, data); err != nil {
				return nil, err
			}
		}
		for name, definition := range file.Definitions {
			if err := t.add(name, definition); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

type schemaRef struct {
	Ref     string `json:"$ref"`
	Type    string
	Items   *schemaRef
	AnyOf   []schemaRef
	Choice  string
	Targets []string
	Binding struct{ Strength, ValueSet string }

	Invariants []profile.Invariant
}

func (r schemaRef) target() string {
	switch {
	case r.Items != nil:
		return r.Items.target()
	case len(r.AnyOf) > 0:
		return r.AnyOf[0].Ref
	}
	return r.Ref
}

func (t *types) add(name string, data []byte) error {
	var definition struct {
		Required   []string
		AllOf      []struct{ AnyOf []struct{ Required []string } }
		Properties map[string]schemaRef
		Invariants []profile.Invariant
	}
	if err := json.Unmarshal(data, &definition); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d := &typeDef{name: name, properties: map[string]property{}, invariants: definition.Invariants}
	for _, required := range definition.Required {
		if required != "resourceType" {
			d.required = append(d.required, required)
		}
	}
	for _, all := range definition.AllOf {
		d.required = append(d.required, all.AnyOf[0].Required[0])
	}
	for property, ref := range definition.Properties {
		if property != "resourceType" && property[0] != '_' {
			d.properties[property] = t.property(ref)
		}
	}
	t.known[name] = d
	return nil
}

func (t *types) property(ref schemaRef) property {
	file, fragment, _ := strings.Cut(ref.target(), "#")
	p := property{
		typ: fragment[strings.LastIndexByte(fragment, '/')+1:], repeats: ref.Type == "array",
		choice: ref.Choice, targets: ref.Targets, invariants: ref.Invariants,
	}
	if strings.HasPrefix(file, "codes.") {
		p.codes, p.typ = t.codes[p.typ], "code"
	}
	if ref.Binding.Strength == "required" {
		p.valueSet = ref.Binding.ValueSet
	}
	return p
}

// named returns the property of d that an element of a table stands for: of a choice the variant of type typ, else
// its first in the order of names.
func (d *typeDef) named(element, typ string) (string, property, bool) {
	choice, isChoice := strings.CutSuffix(element, "[x]")
	if !isChoice {
		p, found := d.properties[element]
		return element, p, found
	}
	if typ != "" {
		name := choice + strings.ToUpper(typ[:1]) + typ[1:]
		p, found := d.properties[name]
		return name, p, found
	}
	var variants []string
	for name, p := range d.properties {
		if p.choice == choice {
			variants = append(variants, name)
		}
	}
	slices.Sort(variants)
	// A text is the plainest of values.
	for _, favourite := range []string{choice + "CodeableConcept", choice + "DateTime", choice + "String"} {
		if slices.Contains(variants, favourite) {
			return favourite, d.properties[favourite], true
		}
	}
	if len(variants) == 0 {
		return "", property{}, false
	}
	return variants[0], d.properties[variants[0]], true
}
