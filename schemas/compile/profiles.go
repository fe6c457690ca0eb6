package compile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// Profiles returns a table for each profile of the packages that these are about, the index that finds them, and the
// value sets that decide anything. Of the packages of FHIR itself and of HL7's (ids that begin with hl7.fhir.r4 or
// hl7.fhir.uv) it takes only what the others refer to, and the vital signs.
//
// What the type itself asks is left out as far as its definition is in the packages; without it (an operator's
// package alone) some of it is asked once more, which changes nothing.
func (d *Definitions) Profiles() (Files, error) {
	files := Files{}
	index := profile.Index{Packages: []profile.Package{}, Profiles: map[string]string{}}
	for _, p := range d.packages {
		index.Packages = append(index.Packages, profile.Package(p))
	}
	c := &profileCompiler{Definitions: d, valueSets: map[string]bool{}}
	urls, err := c.reachable()
	if err != nil {
		return nil, err
	}
	for _, url := range urls {
		name := fileName(url)
		if files[name] != nil {
			return nil, fmt.Errorf("%s: another profile has the file name %s", url, name)
		}
		p := c.tables[url]
		if files[name], err = profileText(p); err != nil {
			return nil, fmt.Errorf("%s: %w", url, err)
		}
		index.Profiles[url] = name
	}
	c.addBaseBindings()
	if files[profile.IndexName], err = indented(index); err != nil {
		return nil, err
	}
	files[terminology.FileName], err = d.valueSetText(c.valueSets)
	return files, err
}

// profileCompiler makes the tables of profiles and follows what they refer to.
type profileCompiler struct {
	*Definitions
	tables    map[string]*profile.Profile
	valueSets map[string]bool // that a table names
}

// isLibrary tells the packages of which only what others refer to is wanted.
func isLibrary(name string) bool {
	return strings.HasPrefix(name, "hl7.fhir.r4") || strings.HasPrefix(name, "hl7.fhir.uv") || strings.HasPrefix(name, "hl7.terminology")
}

// vitalSigns is the one group of FHIR's own profiles that every server owes (FHIR R4 observation-vitalsigns.html).
const vitalSigns = baseURL + "vitalsigns"

// reachable compiles the wanted profiles and what they refer to, and returns their URLs in order.
func (c *profileCompiler) reachable() ([]string, error) {
	c.tables = map[string]*profile.Profile{}
	var queue []string
	for url, s := range c.structures {
		if s.Derivation == "constraint" && (!isLibrary(s.packageID.Name) || url == vitalSigns || s.Base == vitalSigns) {
			queue = append(queue, url)
		}
	}
	for len(queue) > 0 {
		url := queue[0]
		queue = queue[1:]
		s := c.structures[url]
		if s == nil || s.Derivation != "constraint" || c.tables[url] != nil {
			continue
		}
		p, err := c.table(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", url, err)
		}
		c.tables[url] = p
		walkElements(&p.Root, func(e *profile.Element) {
			queue = append(queue, e.Profiles...)
			queue = append(queue, e.Targets...)
			if e.Binding != nil {
				c.valueSets[e.Binding.ValueSet] = true
			}
			for _, i := range e.Invariants {
				c.addMemberOf(i.Expression)
			}
		})
	}
	urls := make([]string, 0, len(c.tables))
	for url := range c.tables {
		urls = append(urls, url)
	}
	slices.Sort(urls)
	return urls, nil
}

// addBaseBindings notes the value sets that the schemas of the types name.
func (c *profileCompiler) addBaseBindings() {
	for _, kind := range []string{"resource", "complex-type"} {
		for _, s := range c.byType(kind) {
			for _, e := range s.Snapshot.Element {
				for _, t := range e.Type {
					if b := c.binding(e, t.Code); b != nil {
						c.valueSets[b.ValueSet] = true
					}
				}
			}
		}
	}
}

func walkElements(e *profile.Element, visit func(*profile.Element)) {
	visit(e)
	for i := range e.Slices {
		walkElements(&e.Slices[i], visit)
	}
	for i := range e.Children {
		walkElements(&e.Children[i], visit)
	}
}

// addMemberOf notes the value sets that a rule asks for by memberOf().
func (c *profileCompiler) addMemberOf(expression string) {
	for {
		_, after, found := strings.Cut(expression, "memberOf('")
		if !found {
			return
		}
		url, rest, _ := strings.Cut(after, "'")
		url, _, _ = strings.Cut(url, "|")
		c.valueSets[url] = true
		expression = rest
	}
}

// definitionTree is the snapshot of a profile as the tree that its ids describe.
type definitionTree struct {
	definition *elementDefinition
	name       string // of the element, as in its path
	slice      string
	slices     []*definitionTree
	children   []*definitionTree
}

func (n *definitionTree) child(name string) *definitionTree {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	c := &definitionTree{name: name}
	n.children = append(n.children, c)
	return c
}

func (n *definitionTree) sliceNamed(name string) *definitionTree {
	for _, s := range n.slices {
		if s.slice == name {
			return s
		}
	}
	s := &definitionTree{name: n.name, slice: name}
	n.slices = append(n.slices, s)
	return s
}

// tree reads a snapshot by the ids of its elements, such as Patient.identifier:ihi.type (FHIR R4
// elementdefinition.html#id).
func tree(s *structureDefinition) (*definitionTree, error) {
	if len(s.Snapshot.Element) == 0 {
		return nil, fmt.Errorf("no snapshot")
	}
	root := &definitionTree{definition: &s.Snapshot.Element[0]}
	for i := range s.Snapshot.Element[1:] {
		e := &s.Snapshot.Element[i+1]
		n := root
		for _, step := range strings.Split(e.ID, ".")[1:] {
			name, slice, isSlice := strings.Cut(step, ":")
			n = n.child(name)
			if isSlice {
				n = n.sliceNamed(slice)
			}
		}
		n.definition = e
	}
	return root, nil
}

// table makes the table of s.
func (c *profileCompiler) table(s *structureDefinition) (*profile.Profile, error) {
	root, err := tree(s)
	if err != nil {
		return nil, err
	}
	p := &profile.Profile{
		URL: s.URL, Version: s.Version, Name: cmp.Or(s.Title, s.Name), Type: s.Type, Abstract: s.Abstract,
		Package: s.packageID.Name + "#" + s.packageID.Version,
	}
	if base := c.structures[s.Base]; base == nil && s.Base != baseURL+s.Type || base != nil && base.Derivation == "constraint" {
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

// types keeps what narrows the types that an element may have: fewer variants of a choice, profiles, targets.
func (c *profileCompiler) types(e *profile.Element, d, base *elementDefinition) {
	if strings.HasSuffix(e.Name, "[x]") && (base == nil || len(d.Type) < len(base.Type)) {
		for _, t := range d.Type {
			e.Types = append(e.Types, t.Code)
		}
	}
	if len(d.Type) == 1 && !slices.ContainsFunc(d.Type[0].Profile, c.isPlain) {
		for _, url := range d.Type[0].Profile {
			url, _, _ = strings.Cut(url, "|")
			e.Profiles = append(e.Profiles, url)
		}
	}
	for _, t := range d.Type {
		if t.Code == "Reference" && !sameTargets(t, base) {
			for _, target := range t.TargetProfile {
				target, _, _ = strings.Cut(target, "|")
				if c.isPlain(target) {
					target = strings.TrimPrefix(target, baseURL)
				}
				e.Targets = append(e.Targets, target)
			}
			if slices.Contains(e.Targets, "Resource") {
				e.Targets = nil
			}
		}
	}
}

// isPlain tells the canonical URL of a type from that of a profile. FHIR's own profiles have names in lower case, but
// for SimpleQuantity and MoneyQuantity.
func (c *profileCompiler) isPlain(url string) bool {
	url, _, _ = strings.Cut(url, "|")
	name, ours := strings.CutPrefix(url, baseURL)
	return ours && name != "" && name[0] >= 'A' && name[0] <= 'Z'
}

func sameTargets(t elementType, base *elementDefinition) bool {
	if base == nil {
		return false
	}
	unversioned := func(a, b string) bool {
		a, _, _ = strings.Cut(a, "|")
		b, _, _ = strings.Cut(b, "|")
		return a == b
	}
	for _, b := range base.Type {
		if b.Code == "Reference" {
			return slices.EqualFunc(b.TargetProfile, t.TargetProfile, unversioned)
		}
	}
	return false
}

// bind keeps a binding that decides something and is not the type's own.
func (c *profileCompiler) bind(e *profile.Element, d, base *elementDefinition) {
	if strength := d.Binding.Strength; strength != "required" && strength != "extensible" || d.Binding.ValueSet == "" {
		return
	}
	url, _, _ := strings.Cut(d.Binding.ValueSet, "|")
	if base != nil {
		same, _, _ := strings.Cut(base.Binding.ValueSet, "|")
		if same == url && base.Binding.Strength == d.Binding.Strength {
			return
		}
	}
	e.Binding = &profile.Binding{Strength: d.Binding.Strength, ValueSet: url}
}

// isBaseRule tells a rule of the type from one of the profile's.
func (c *profileCompiler) isBaseRule(rule constraint) bool {
	if rule.Source != "" {
		return c.isPlain(rule.Source)
	}
	return c.baseRules()[rule.Key+" "+rule.Expression]
}

// baseElement returns what the definition of a type says about the element at path within it, or nil where the
// packages do not have it.
func (c *profileCompiler) baseElement(typ, within string) *elementDefinition {
	s := c.structures[baseURL+typ]
	if s == nil || within == "" {
		return nil
	}
	for i := range s.Snapshot.Element {
		if e := &s.Snapshot.Element[i]; e.Path == typ+"."+within {
			return e
		}
	}
	return nil
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

// fileName is the name of a profile's file: the last part of its URL.
func fileName(url string) string {
	return path.Base(url) + ".profile.json"
}

// profileText writes a table with a line for each element: compact, and still fit for a diff.
func profileText(p *profile.Profile) ([]byte, error) {
	head := *p
	head.Root = profile.Element{}
	var b bytes.Buffer
	var line bytes.Buffer
	if err := encode(&line, head); err != nil {
		return nil, err
	}
	text, found := strings.CutSuffix(line.String(), `,"root":{}}`)
	if !found {
		return nil, fmt.Errorf("a table ends with its root")
	}
	b.WriteString(text + ",\n\"root\":")
	if err := elementText(&b, &p.Root, ""); err != nil {
		return nil, err
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

func elementText(b *bytes.Buffer, e *profile.Element, indent string) error {
	head := *e
	head.Slices, head.Children = nil, nil
	var line bytes.Buffer
	if err := encode(&line, head); err != nil {
		return err
	}
	b.WriteString(strings.TrimSuffix(line.String(), "}"))
	empty := line.String() == "{}"
	for _, list := range []struct {
		name     string
		elements []profile.Element
	}{{"slices", e.Slices}, {"children", e.Children}} {
		if len(list.elements) == 0 {
			continue
		}
		if !empty {
			b.WriteByte(',')
		}
		empty = false
		fmt.Fprintf(b, "%q:[\n", list.name)
		for i := range list.elements {
			b.WriteString(indent + " ")
			if err := elementText(b, &list.elements[i], indent+" "); err != nil {
				return err
			}
			if i < len(list.elements)-1 {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		b.WriteString(indent + "]")
	}
	b.WriteByte('}')
	return nil
}

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
