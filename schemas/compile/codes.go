package compile

import "strings"

// maxCodes is the longest code list that becomes an enum. Longer ones belong to terminology, not to structure.
const maxCodes = 250

// codeList returns the codes of the value set at url, in the order of their definition. It returns nil where the list
// cannot be complete or small: a filter, a system that the packages do not hold in full (MIME types, languages), more
// than maxCodes.
func (d *Definitions) codeList(url string) []string {
	codes, ok := d.expand(url, 0)
	if !ok || len(codes) > maxCodes {
		return nil
	}
	return codes
}

// expand lists the codes of a value set; ok tells that the list is complete.
func (d *Definitions) expand(url string, depth int) (codes []string, ok bool) {
	set := d.valueSets[url]
	if set == nil || len(set.Compose.Include) == 0 || len(set.Compose.Exclude) > 0 || depth > 8 {
		return nil, false
	}
	seen := map[string]bool{}
	for _, include := range set.Compose.Include {
		part, ok := d.included(include, depth)
		if !ok {
			return nil, false
		}
		for _, code := range part {
			if !seen[code] {
				seen[code] = true
				codes = append(codes, code)
			}
		}
	}
	return codes, true
}

func (d *Definitions) included(include conceptSet, depth int) (codes []string, ok bool) {
	switch {
	case len(include.Filter) > 0 || include.System != "" && len(include.ValueSet) > 0 || len(include.ValueSet) > 1:
		return nil, false
	case len(include.ValueSet) == 1:
		url, _, _ := strings.Cut(include.ValueSet[0], "|")
		return d.expand(url, depth+1)
	case len(include.Concept) > 0:
		return flatten(nil, include.Concept), true
	}
	system := d.systems[include.System]
	if system == nil || system.Content != "complete" {
		return nil, false
	}
	return flatten(nil, system.Concept), true
}

// flatten appends the codes of concepts and of all below them.
func flatten(codes []string, concepts []concept) []string {
	for _, c := range concepts {
		codes = flatten(append(codes, c.Code), c.Concept)
	}
	return codes
}
