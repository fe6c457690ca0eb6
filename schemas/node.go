package schemas

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/xeipuuv/gojsonschema"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// node is one FHIR type: a resource type, a datatype, an element with children, a primitive type or a code list.
//
// gojsonschema could follow the $refs between types itself, but then each resource type would carry a copy of every
// datatype (Extension alone reaches them all). So a node compiles only its own level, and walk follows the
// $refs: each type exists once, costs nothing before its first use, and errors come in the document's order.
type node struct {
	file   *file
	name   string // "HumanName", "Patient.contact", "date"
	source json.RawMessage

	once        sync.Once
	schema      *gojsonschema.Schema
	description string             // completes "must be"; primitives only
	codes       []string           // of a code list
	isText      bool               // any string that is not empty
	members     map[string]*member // by property; nil for primitives
	required    uint64             // the groups of which one member must be there, a bit each
	rules       *profile.Rules     // invariants of the type; nil for none
	isExtension bool
	isResource  bool
}

// member is one property of an object.
type member struct {
	typ      *node
	element  string // the element's name in FHIRPath: without _, without a choice's type
	property string // the property's name without _
	isArray  bool
	isChoice bool
	// isSibling tells _name, which holds the id and extensions of the primitive called name.
	isSibling bool
	// rules are what the element asks of its value beyond its type; nil for nothing.
	rules *profile.Rules
	// group is the key by which this and its alternatives satisfy a requirement; "" where none names them.
	group string
	bit   uint64 // of the group in node.required
}

// definition is what compile writes for one type.
type definition struct {
	Type        string              `json:"type"`
	Enum        []string            `json:"enum"`
	Pattern     string              `json:"pattern"`
	Description string              `json:"description"`
	Required    []string            `json:"required"`
	Properties  map[string]property `json:"properties"`
	AllOf       []struct {
		AnyOf []struct {
			Required []string `json:"required"`
		} `json:"anyOf"`
	} `json:"allOf"`
	Invariants []profile.Invariant `json:"invariants"`
}

type property struct {
	Ref    string     `json:"$ref"`
	Type   string     `json:"type"`
	Items  *property  `json:"items"`
	AnyOf  []property `json:"anyOf"`
	Choice string     `json:"choice"`

	// What draft-07 has no word for, as the tables of profiles say it.
	Targets    []string            `json:"targets"`
	Binding    *profile.Binding    `json:"binding"`
	Invariants []profile.Invariant `json:"invariants"`
}

// definitions is where the canonical URLs of FHIR's types begin.
const definitions = "http://hl7.org/fhir/StructureDefinition/"

// rules returns what an element asks beyond its type, nil for nothing. owner is the type that it is an element of.
func (p property) rules(name, owner string) *profile.Rules {
	// txt-1 and txt-2 are one expression; package bundle tells which of them is broken, and how.
	invariants := slices.DeleteFunc(p.Invariants, func(i profile.Invariant) bool { return i.Expression == "htmlChecks()" })
	if p.Targets == nil && p.Binding == nil && len(invariants) == 0 {
		return nil
	}
	owner, _, _ = strings.Cut(owner, ".")
	return profile.NewRules(&profile.Element{Name: name, Targets: p.Targets, Binding: p.Binding, Invariants: invariants},
		definitions+owner, "FHIR's "+owner)
}

// target returns the $ref of a property or of its items. Where null is an alternative it stands second.
func (p property) target() string {
	switch {
	case p.Items != nil:
		return p.Items.target()
	case len(p.AnyOf) > 0:
		return p.AnyOf[0].Ref
	}
	return p.Ref
}

// load compiles the node, once.
func (n *node) load() *node {
	n.once.Do(func() {
		var d definition
		if err := json.Unmarshal(n.source, &d); err != nil {
			panic(fmt.Errorf("schemas: %s: %w", n.name, err))
		}
		loader := gojsonschema.NewBytesLoader(n.source)
		n.description = d.Description
		switch {
		case d.Type == "object":
			n.readMembers(d)
			n.isExtension, n.isResource = n.name == "Extension", n == n.file.root
			if len(d.Invariants) > 0 {
				owner, _, _ := strings.Cut(n.name, ".")
				n.rules = profile.NewRules(&profile.Element{Invariants: d.Invariants}, definitions+owner, owner)
			}
			loader = gojsonschema.NewRawLoader(n.ownLevel(d))
		case d.Enum != nil:
			// gojsonschema marshals the value anew for each enum it meets; walk looks codes up.
			n.codes = d.Enum
			loader = gojsonschema.NewRawLoader(map[string]any{"type": d.Type})
		default:
			n.isText = d.Type == "string" && d.Pattern == ""
		}
		compiler := gojsonschema.NewSchemaLoader()
		compiler.AutoDetect, compiler.Draft = false, gojsonschema.Draft7
		var err error
		if n.schema, err = compiler.Compile(loader); err != nil {
			panic(fmt.Errorf("schemas: %s: %w", n.name, err))
		}
		n.source = nil
	})
	return n
}

func (n *node) readMembers(d definition) {
	n.members = make(map[string]*member, len(d.Properties))
	for name, p := range d.Properties {
		m := &member{property: strings.TrimPrefix(name, "_"), isSibling: name[0] == '_',
			isArray: p.Type == "array", isChoice: p.Choice != ""}
		m.element = m.property
		if m.isChoice {
			m.element = p.Choice
		}
		m.rules = p.rules(m.element, n.name)
		if ref := p.target(); ref != "" {
			m.typ = n.file.follow(ref)
		}
		n.members[name] = m
	}
}

// ownLevel returns the schema of the object itself, with true in the place of every $ref. An element that may stand
// under several names is required under one of its own, its group, which walk fills in when any of them is there:
// gojsonschema evaluates required several times faster than anyOf.
func (n *node) ownLevel(d definition) map[string]any {
	properties := make(map[string]any)
	required := make([]any, 0, len(d.Required)+len(d.AllOf))
	for name, m := range n.members {
		if m.isArray {
			properties[name] = map[string]any{"type": "array"}
		}
	}
	require := func(group string, alternatives ...string) {
		bit := uint64(1) << len(required) // no type of R4 requires more than 20
		for _, name := range alternatives {
			n.members[name].group, n.members[name].bit = group, bit
		}
		n.required |= bit
		required = append(required, group)
	}
	for _, name := range d.Required {
		require(name, name)
	}
	for _, all := range d.AllOf {
		var alternatives []string
		for _, alternative := range all.AnyOf {
			alternatives = append(alternatives, alternative.Required[0])
		}
		require(groupKey(n.members[alternatives[0]]), alternatives...)
	}
	return map[string]any{"type": "object", "required": required, "properties": properties}
}

// groupKey is no name that a property can have.
func groupKey(m *member) string {
	if m.isChoice {
		return m.element + "[x]"
	}
	return m.element + "()"
}

// counts tells whether v, which stands as m, satisfies a requirement: what stands beside a primitive does by its
// extensions.
func (m *member) counts(v *fhir.Value) bool { return !m.isSibling || hasExtension(v) }

// satisfied tells that an object with these members has all that its schema requires and arrays where they belong:
// then the schema of its level has nothing to say, and is not asked.
func (n *node) satisfied(items []fhir.Value) bool {
	var found uint64
	for i := range items {
		m := n.members[items[i].Name()]
		if m == nil {
			continue
		}
		if m.isArray && items[i].Kind() != fhir.Array {
			return false
		}
		if m.bit != 0 && m.counts(&items[i]) {
			found |= m.bit
		}
	}
	return found == n.required
}

// isPlain tells a primitive that its schema accepts for sure: most are, and gojsonschema takes a microsecond for each.
func (n *node) isPlain(v *fhir.Value) bool {
	switch {
	case n.isText:
		return v.Kind() == fhir.String // fhir.Parse refuses empty strings
	case n.codes != nil:
		return v.Kind() == fhir.String && slices.Contains(n.codes, v.Text())
	case n.name == "boolean":
		return v.Kind() == fhir.Bool
	case n.name == "uri" || n.name == "url" || n.name == "canonical" || n.name == "code":
		return v.Kind() == fhir.String && !strings.ContainsFunc(v.Text(), func(r rune) bool { return r <= ' ' || r >= 0x7f })
	case n.name == "decimal":
		return v.Kind() == fhir.Number
	case n.name == "date" || n.name == "dateTime" || n.name == "instant":
		return v.Kind() == fhir.String && isPlainDate(n.name, v.Text())
	}
	return false
}
