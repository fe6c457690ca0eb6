package compile

import (
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// Profiles returns a table for each profile and extension of the packages and for those that they refer to, the index
// that finds them, and the value sets that decide anything. Of FHIR's own definitions (packages hl7.fhir.r4.…) it
// takes the vital signs and, as of the packages that ReadReferenced added, what is referred to.
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
		name := fileName(url, files)
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

// isProfile tells what constrains one of FHIR's types from what defines a type or is about a logical model.
func (s *structureDefinition) isProfile() bool {
	return s.Derivation == "constraint" && s.Kind != "logical"
}

// isWanted tells the profiles that are compiled though nothing refers to them.
func (s *structureDefinition) isWanted() bool {
	if strings.HasPrefix(s.packageID.Name, "hl7.fhir.r4.") {
		return s.URL == vitalSigns || s.Base == vitalSigns
	}
	return !s.referenced
}

// vitalSigns is the one group of FHIR's own profiles that every server owes (FHIR R4 observation-vitalsigns.html).
const vitalSigns = baseURL + "vitalsigns"

// reachable compiles the wanted profiles and what they refer to, and returns their URLs in order.
func (c *profileCompiler) reachable() ([]string, error) {
	c.tables = map[string]*profile.Profile{}
	var queue []string
	for url, s := range c.structures {
		if s.isProfile() && s.isWanted() {
			queue = append(queue, url)
		}
	}
	for len(queue) > 0 {
		url := queue[0]
		queue = queue[1:]
		s := c.structures[url]
		if s == nil || !s.isProfile() || c.tables[url] != nil {
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
				for url := range arguments(i.Expression, "memberOf('") {
					c.valueSets[url] = true
				}
				queue = slices.AppendSeq(queue, arguments(i.Expression, "extension('"))
			}
		})
	}
	return slices.Sorted(maps.Keys(c.tables)), nil
}

// addBaseBindings notes the value sets of the types themselves, also those that are code lists of the schemas: the
// tables of a package that is compiled without the types repeat their bindings.
func (c *profileCompiler) addBaseBindings() {
	for _, kind := range []string{"resource", "complex-type"} {
		for _, s := range c.byType(kind) {
			for _, e := range s.Snapshot.Element {
				for _, t := range e.Type {
					if b := e.binding(t.Code); b != nil {
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

// arguments returns the canonical URLs, without version, that a rule gives to the function that call begins.
func arguments(expression, call string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			_, after, found := strings.Cut(expression, call)
			if !found {
				return
			}
			url, rest, _ := strings.Cut(after, "'")
			url, _, _ = strings.Cut(url, "|")
			if !yield(url) {
				return
			}
			expression = rest
		}
	}
}

// fileName is the name of a profile's file: the last part of its URL, with a number where that is taken.
func fileName(url string, taken Files) string {
	const suffix = ".profile.json"
	name := path.Base(url) + suffix
	for i := 2; taken[name] != nil; i++ {
		name = fmt.Sprintf("%s-%d%s", path.Base(url), i, suffix)
	}
	return name
}
