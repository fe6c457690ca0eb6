package compile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// table makes the table of s.
func (c *profileCompiler) table(s *structureDefinition) (*profile.Profile, error) {
	root, err := tree(s)
	if err != nil {
		return nil, err
	}
	p := &profile.Profile{
		URL: s.URL, Version: cmp.Or(s.Version, s.packageID.Version), Name: cmp.Or(s.Title, s.Name),
		Package: s.packageID.String(), Type: s.Type, Abstract: s.Abstract,
	}
	if base := c.structures[s.Base]; base == nil && s.Base != baseURL+s.Type || base != nil && base.isProfile() {
		p.Base = s.Base
	}
	if s.Type == "Extension" {
		p.Contexts = contexts(s)
	}
	p.Root = c.element(root, s.Type, "")
	p.Root.Min, p.Root.Max = 0, nil
	if s.Type == "Extension" {
		// The extension was found by its url.
		p.Root.Children = slices.DeleteFunc(p.Root.Children, func(e profile.Element) bool { return e.Name == "url" })
	}
	return p, nil
}

// contexts are where an extension may stand; nil where that takes more than a list of elements to say.
func contexts(s *structureDefinition) []string {
	var all []string
	for _, c := range s.Context {
		if c.Type == "fhirpath" {
			return nil
		}
		all = append(all, c.Expression)
	}
	return all
}

// element says what n asks beyond its type. typ is the type that n's parent is of, and within the path from that
// type to n: both together find what the type itself says.
func (c *profileCompiler) element(n *definitionTree, typ, within string) profile.Element {
	e := profile.Element{Name: n.name, Slice: n.slice}
	d := n.definition
	if d == nil {
		d = &elementDefinition{} // the id of a child implies n; n itself says nothing
	} else {
		c.cardinality(&e, d)
		base := c.baseElement(typ, within)
		c.types(&e, d, base)
		e.Fixed, e.Pattern, e.MaxLength = compact(d.fixed), compact(d.pattern), d.MaxLength
		c.bind(&e, d, base)
		e.Invariants = invariants(d.Constraint, c.isBaseRule)
		if d.Slicing != nil && (len(n.slices) > 0 || d.Slicing.Rules == "closed") {
			e.Slicing = &profile.Slicing{Rules: d.Slicing.Rules, Ordered: d.Slicing.Ordered}
			for _, disc := range d.Slicing.Discriminator {
				e.Slicing.Discriminators = append(e.Slicing.Discriminators, profile.Discriminator(disc))
			}
		}
		if len(n.slices) == 0 {
			variants(&e, d)
		}
	}
	for _, s := range n.slices {
		e.Slices = append(e.Slices, c.element(s, typ, within))
	}
	childType, childWithin := typ, within
	if n.name != "" {
		childType, childWithin = c.descend(d, typ, within)
	}
	for _, child := range n.children {
		at := child.name
		if childWithin != "" {
			at = childWithin + "." + at
		}
		if made := c.element(child, childType, at); says(made) {
			e.Children = append(e.Children, made)
		}
	}
	return e
}

// says tells whether an element asks anything.
func says(e profile.Element) bool {
	return e.Min > 0 || e.Max != nil || e.Types != nil || e.Profiles != nil || e.Targets != nil || e.Fixed != nil ||
		e.Pattern != nil || e.MaxLength > 0 || e.Binding != nil || e.Invariants != nil || e.Slicing != nil ||
		len(e.Slices) > 0 || len(e.Children) > 0
}

// cardinality keeps what is narrower than the type's. A slice has its own.
func (c *profileCompiler) cardinality(e *profile.Element, d *elementDefinition) {
	if e.Slice != "" || d.Min > d.BaseDefinition.Min {
		e.Min = d.Min
	}
	if d.Max != "*" && d.Max != "" && (d.Max != d.BaseDefinition.Max || e.Slice != "" && d.BaseDefinition.Max != "1") {
		var most int
		if _, err := fmt.Sscan(d.Max, &most); err == nil {
			e.Max = &most
		}
	}
}

// bind keeps a binding that decides something and is not the type's own.
func (c *profileCompiler) bind(e *profile.Element, d, base *elementDefinition) {
	for _, t := range d.Type {
		b := d.binding(t.Code)
		if b == nil {
			continue
		}
		if base != nil {
			if own := base.binding(t.Code); own != nil && *own == *b {
				return
			}
		}
		e.Binding = b
		return
	}
}

// baseElement returns what the definition of a type says about the element at path within it, or nil where the
// packages do not have it.
func (c *profileCompiler) baseElement(typ, within string) *elementDefinition {
	s := c.structures[baseURL+typ]
	if s == nil || within == "" {
		return nil
	}
	return s.element(typ + "." + within)
}

// descend returns the type that the children of an element are to be looked up in, and the path within it: that of
// a datatype, or where the element's own type defines its children, the element's place there.
func (c *profileCompiler) descend(d *elementDefinition, typ, within string) (string, string) {
	base := c.baseElement(typ, within)
	if base != nil && base.ContentReference != "" {
		_, target, _ := strings.Cut(base.ContentReference, "#")
		owner, rest, _ := strings.Cut(target, ".")
		return owner, rest
	}
	if len(d.Type) == 1 {
		switch code := d.Type[0].Code; code {
		case "BackboneElement", "Element":
		default:
			return code, ""
		}
	}
	return typ, within
}

func compact(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return nil
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
