package invariant_test

import (
	"encoding/json"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/invariant"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// tables are the types of FHIR R4 and where rules apply in them, as the compiled schemas and profiles say.
type tables struct {
	types  map[string]*typeTable
	placed map[string][]placedRule // by the type that they start from
}

// typeTable is one type.
type typeTable struct {
	Invariants []profile.Invariant
	Properties map[string]*property
}

type property struct {
	Ref        string `json:"$ref"`
	Choice     string
	Items      *property
	AnyOf      []property
	Invariants []profile.Invariant
}

// typ is the type that the property or its items have; "" for resourceType.
func (p *property) typ() string {
	switch {
	case p.Items != nil:
		return p.Items.typ()
	case len(p.AnyOf) > 0:
		return p.AnyOf[0].typ()
	}
	return path.Base(p.Ref)
}

func (p *property) isPrimitive() bool {
	switch {
	case p.Items != nil:
		return p.Items.isPrimitive()
	case len(p.AnyOf) > 0:
		return p.AnyOf[0].isPrimitive()
	}
	return strings.HasPrefix(p.Ref, "primitives.") || strings.HasPrefix(p.Ref, "codes.")
}

// placedRule is an invariant with its place: the names that lead to it from the type.
type placedRule struct {
	profile.Invariant
	at  []string
	url string // of an extension's definition; else empty
}

// readTables reads what package schemas embeds.
func readTables(t testing.TB) *tables {
	t.Helper()
	read := &tables{types: map[string]*typeTable{}, placed: map[string][]placedRule{}}
	for _, name := range files(t, "../r4/*.schema.json") {
		var schema struct {
			Title string
			typeTable
			Definitions map[string]*typeTable
		}
		decode(t, name, &schema)
		if schema.Title != "" {
			read.types[schema.Title] = &schema.typeTable
		}
		if base := filepath.Base(name); base != "primitives.schema.json" && base != "codes.schema.json" {
			maps.Copy(read.types, schema.Definitions)
		}
	}
	for name, typ := range read.types {
		for _, i := range typ.Invariants {
			read.place(name, "", i)
		}
		for _, property := range slices.Sorted(maps.Keys(typ.Properties)) {
			at := property
			if choice := typ.Properties[property].Choice; choice != "" {
				at = choice + "[x]"
			}
			for _, i := range typ.Properties[property].Invariants {
				read.place(name, "", i, at)
			}
		}
	}
	for _, name := range files(t, "../profiles/*.profile.json") {
		var p profile.Profile
		decode(t, name, &p)
		extension := ""
		if p.Type == "Extension" {
			extension = p.URL
		}
		read.placeElement(p.Type, extension, &p.Root)
	}
	for key, expression := range invariant.Everywhere() {
		for _, typ := range appliedTo[key[:4]] {
			read.place(typ, "", profile.Invariant{Key: key, Severity: "error", Expression: expression})
		}
	}
	return read
}

// appliedTo are some types to which the rules that no table states apply, by the beginning of their keys.
var appliedTo = map[string][]string{
	"ele-": {"HumanName", "Coding", "Extension"},
	"ext-": {"Extension"},
	"dom-": {"Patient", "ServiceRequest", "Observation"},
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	return names
}

func decode(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// place notes a rule, once.
func (t *tables) place(typ, url string, i profile.Invariant, at ...string) {
	same := func(r placedRule) bool {
		return r.Key == i.Key && r.Expression == i.Expression && r.url == url && slices.Equal(r.at, at)
	}
	if !slices.ContainsFunc(t.placed[typ], same) {
		t.placed[typ] = append(t.placed[typ], placedRule{i, at, url})
	}
}

func (t *tables) placeElement(typ, url string, e *profile.Element, at ...string) {
	for _, i := range e.Invariants {
		t.place(typ, url, i, at...)
	}
	for i := range e.Slices {
		t.placeElement(typ, url, &e.Slices[i], at...)
	}
	for i := range e.Children {
		t.placeElement(typ, url, &e.Children[i], append(slices.Clip(at), e.Children[i].Name)...)
	}
}

// node is an element of a document with its type and scope.
type node struct {
	element.Element
	typ   string
	scope element.Scope
}

// walk calls visit for root and every element below it that is an object, contained resources and entries included.
func (t *tables) walk(root node, visit func(node)) {
	visit(root)
	typ := t.types[root.typ]
	if typ == nil {
		return
	}
	for name := range typ.Properties {
		if typ.Properties[name].isPrimitive() {
			name = "_" + name
		}
		for i, child := range root.All(name) {
			if child.Value.Kind() == fhir.Object {
				t.walk(t.child(root, name, i, child), visit)
			}
		}
	}
}

// child is the i-th of root's elements called name.
func (t *tables) child(root node, name string, i int, child element.Element) node {
	typ := "Element"
	if name[0] != '_' {
		typ = t.types[root.typ].Properties[name].typ()
	}
	n := node{child, typ, root.scope}
	if typ != "Resource" {
		return n
	}
	n.typ = child.Value.ResourceType()
	switch {
	case name == "contained":
		n.scope = root.scope.Contained(child.Value)
	case root.typ == "Bundle.entry":
		for i, entry := range fhir.AsBundle(root.scope.Root).Entries {
			if entry.Resource == child.Value {
				n.scope = element.NewDocument(root.scope.Root).Entry(i)
			}
		}
	default:
		n.scope = root.scope.Separate(child.Value)
	}
	return n
}

// follow returns the elements that the names lead to from n.
func (t *tables) follow(n node, at []string) []node {
	if len(at) == 0 {
		return []node{n}
	}
	var found []node
	typ := t.types[n.typ]
	if typ == nil {
		return nil
	}
	choice, isChoice := strings.CutSuffix(at[0], "[x]")
	for name, p := range typ.Properties {
		if name[0] == '_' || isChoice && p.Choice != choice || !isChoice && name != at[0] {
			continue
		}
		for _, child := range n.All(name) {
			if child.Exists() {
				found = append(found, t.follow(node{child, p.typ(), n.scope}, at[1:])...)
			}
		}
	}
	return found
}
