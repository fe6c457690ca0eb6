package compile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The files that resource types share, and how one points into another.
const (
	datatypesFile  = "datatypes.schema.json"
	primitivesFile = "primitives.schema.json"
	codesFile      = "codes.schema.json"
	definition     = "#/definitions/"
	draft07        = "http://json-schema.org/draft-07/schema#"
)

// compiler turns StructureDefinitions into schemas; codes fills as bindings are met.
type compiler struct {
	defs       *Definitions
	primitives map[string]bool
	codes      map[string][]string // code lists by name
	valueSets  map[string]string   // their value sets
}

// Schemas returns a schema for each resource type that the packages define, what these share, and the manifest.
func (d *Definitions) Schemas() (Files, error) {
	schemas, err := d.schemas()
	if err != nil {
		return nil, err
	}
	files := Files{}
	for name, s := range schemas {
		if files[name], err = s.text(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return files, nil
}

func (d *Definitions) schemas() (map[string]schema, error) {
	c := &compiler{defs: d, primitives: map[string]bool{}, codes: map[string][]string{}, valueSets: map[string]string{}}
	primitives, err := c.primitiveTypes()
	if err != nil {
		return nil, err
	}
	datatypes, err := c.datatypes()
	if err != nil {
		return nil, err
	}
	files := map[string]schema{}
	var names []string
	for _, s := range d.byType("resource") {
		types, err := c.types(s)
		if err != nil {
			return nil, err
		}
		file := schema{{"$schema", draft07}, {"title", s.Type}}
		file = append(file, types[0].value.(schema)...)
		if len(types) > 1 {
			file = append(file, field{"definitions", types[1:]})
		}
		files[s.Type+".schema.json"] = file
		names = append(names, s.Type)
	}
	if len(names) == 0 {
		return nil, errors.New("the packages define no resource type")
	}
	files[primitivesFile] = schema{{"$schema", draft07}, {"definitions", primitives}}
	files[datatypesFile] = schema{{"$schema", draft07}, {"definitions", datatypes}}
	files[codesFile] = schema{{"$schema", draft07}, {"definitions", c.codeLists()}}
	files["manifest.json"] = schema{{"packages", d.packages}, {"resources", names}}
	return files, nil
}

func (c *compiler) primitiveTypes() (schema, error) {
	all := schema{}
	for _, s := range c.defs.byType("primitive-type") {
		p, err := primitive(s.Type)
		if err != nil {
			return nil, err
		}
		c.primitives[s.Type] = true
		all = append(all, field{s.Type, p})
	}
	return all, nil
}

// datatypes returns the complex types with the elements nested in them, Element, which is abstract and yet stands
// beside every primitive as _name, and Resource, which stands where any resource may.
func (c *compiler) datatypes() (schema, error) {
	structures := c.defs.byType("complex-type")
	if element := c.defs.structures["http://hl7.org/fhir/StructureDefinition/Element"]; element != nil {
		structures = append(structures, element)
	}
	all := schema{{"Resource", schema{
		{"description", "any resource; the schema of its resourceType applies"},
		{"type", "object"}, {"required", []string{"resourceType"}},
		{"properties", schema{{"resourceType", schema{{"$ref", primitivesFile + definition + "code"}}}}},
	}}}
	for _, s := range structures {
		types, err := c.types(s)
		if err != nil {
			return nil, err
		}
		all = append(all, types...)
	}
	slices.SortFunc(all, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// types returns the schema of s and those of the elements nested in it, by path; s itself comes first.
func (c *compiler) types(s *structureDefinition) (schema, error) {
	if len(s.Snapshot.Element) == 0 {
		return nil, fmt.Errorf("%s has no snapshot", s.URL)
	}
	children := map[string][]elementDefinition{}
	var parents []string
	for _, e := range s.Snapshot.Element[1:] {
		parent := e.Path[:strings.LastIndexByte(e.Path, '.')]
		if children[parent] == nil {
			parents = append(parents, parent)
		}
		children[parent] = append(children[parent], e)
	}
	slices.Sort(parents)
	all := schema{}
	for _, parent := range parents {
		o := &object{compiler: c, structure: s, path: parent, children: children}
		t, err := o.schema()
		if err != nil {
			return nil, err
		}
		all = append(all, field{parent, t})
	}
	return all, nil
}

// codeLists returns an enum for each code list that was met, by name.
func (c *compiler) codeLists() schema {
	var names []string
	for name := range c.codes {
		names = append(names, name)
	}
	slices.Sort(names)
	all := schema{}
	for _, name := range names {
		all = append(all, field{name, schema{
			{"type", "string"}, {"enum", c.codes[name]}, {"description", "a code of " + c.valueSets[name]},
		}})
	}
	return all
}
