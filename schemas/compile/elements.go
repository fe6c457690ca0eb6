package compile

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// Elements returns a line for each resource type, and for each element and datatype below one of which a summary has a
// part only: its name, then those of its elements that are in a summary (ElementDefinition.isSummary) or mandatory, as
// they stand in JSON. Behind a name, ! says that it is mandatory and >Owner which line tells what is in it.
func (d *Definitions) Elements() []byte {
	partial := map[string]bool{}
	lines := map[string][]string{}
	for _, s := range d.byType("complex-type") {
		if s.Type == "Extension" || s.Type == "Narrative" { // kept or left out as a whole
			continue
		}
		for _, e := range s.Snapshot.Element[1:] {
			name := path.Ext(e.Path)
			if !e.IsSummary && e.Min == 0 && name != ".id" && name != ".extension" {
				partial[s.Type] = true
			}
		}
		if partial[s.Type] {
			s.summarize(lines, partial)
		}
	}
	for _, s := range d.byType("resource") {
		lines[s.Type] = nil
		s.summarize(lines, partial)
	}
	owners := make([]string, 0, len(lines))
	for owner, names := range lines {
		owners = append(owners, strings.Join(append([]string{owner}, names...), " "))
	}
	slices.SortFunc(owners, func(a, b string) int {
		return cmp.Compare(strings.Fields(a)[0], strings.Fields(b)[0])
	})
	return []byte(strings.Join(owners, "\n") + "\n")
}

// summarize adds the lines of s.
func (s *structureDefinition) summarize(lines map[string][]string, partial map[string]bool) {
	nested, kept := map[string]bool{}, map[string]bool{s.Type: true}
	for _, e := range s.Snapshot.Element {
		nested[parent(e.Path)] = true
	}
	for _, e := range s.Snapshot.Element[1:] {
		if !kept[parent(e.Path)] || !e.IsSummary && e.Min == 0 || e.Max == "0" {
			continue
		}
		kept[e.Path] = true
		mark := ""
		if e.Min > 0 {
			mark = "!"
		}
		_, referenced, _ := strings.Cut(e.ContentReference, "#")
		owner := parent(e.Path)
		name, isChoice := strings.CutSuffix(path.Ext(e.Path)[1:], "[x]")
		if nested[e.Path] {
			referenced = e.Path
		}
		if len(e.Type) == 0 {
			e.Type = []elementType{{}}
		}
		for _, t := range e.Type {
			token, inside := name, referenced
			if isChoice {
				token += strings.ToUpper(t.Code[:1]) + t.Code[1:]
			}
			if partial[t.Code] {
				inside = t.Code
			}
			token += mark
			if inside != "" {
				token += ">" + inside
			}
			lines[owner] = append(lines[owner], token)
		}
	}
}

func parent(elementPath string) string {
	return strings.TrimSuffix(elementPath, path.Ext(elementPath))
}
