package search

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Index returns the keys under which a resource is found, sorted and without repeats. target gives a reference as
// it will be stored, which differs from what was sent where it pointed inside a Bundle.
func Index(resource *fhir.Value, target func(reference string) string) []int64 {
	resourceType := resource.ResourceType()
	var keys []int64
	for p := range all(resourceType) {
		if p.Use == Unindexed {
			continue
		}
		for _, v := range elements(resource, p.Path) {
			keys = append(keys, p.keys(resourceType, v, target)...)
		}
	}
	for _, pair := range combined[resourceType] {
		link, _ := Lookup(resourceType, pair[0])
		code, _ := Lookup(resourceType, pair[1])
		for _, to := range elements(resource, link.Path) {
			for _, v := range elements(resource, code.Path) {
				for _, t := range tokens(v, code.System) {
					if r := target(reference(to)); link.leadsTo(r) {
						keys = append(keys, pairHash(resourceType, pair, r, t.code))
					}
				}
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// keys are those of one element.
func (p Param) keys(resourceType string, v *fhir.Value, target func(string) string) []int64 {
	var keys []int64
	addTokens := func(name string, found []token) {
		for _, t := range found {
			keys = append(keys, TokenHash(resourceType, name, t.system, t.code))
		}
	}
	switch p.Type {
	case Token:
		addTokens(p.Name, tokens(v, p.System))
	case Reference:
		if to := target(reference(v)); p.leadsTo(to) {
			keys = append(keys, ReferenceHash(resourceType, p.Name, to))
		}
		addTokens(p.Name+":identifier", tokens(v.Get("identifier"), ""))
	case String:
		keys = stringKeys(resourceType, p.Name, v)
	case Date:
		for _, i := range intervals(v) {
			keys = append(keys, dayKey(resourceType, p.Name, i.low))
		}
	case URI: // none is indexed
	}
	return keys
}

// pairHash is the key of what combined has.
func pairHash(resourceType string, pair [2]string, target, code string) int64 {
	return ReferenceHash(resourceType, pair[0]+"+"+pair[1]+"="+code, target)
}

// steps has the paths of all parameters: alternatives, each the names of elements from the resource on.
var steps = func() map[string][][]string {
	all := map[string][][]string{}
	add := func(list []Param) {
		for _, p := range list {
			for path := range strings.SplitSeq(p.Path, "|") {
				all[p.Path] = append(all[p.Path], names(path))
			}
		}
	}
	add(common)
	for _, list := range params {
		for _, p := range list {
			if _, known := all[p.Path]; !known {
				add([]Param{p})
			}
		}
	}
	return all
}()

// names cuts a path at its dots, but for those in parentheses.
func names(path string) []string {
	var found []string
	depth, start := 0, 0
	for i, c := range path {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '.' && depth == 0:
			found = append(found, path[start:i])
			start = i + 1
		}
	}
	return append(found, path[start:])
}

// elements returns what the path of a parameter leads to below resource, every item of an array by itself.
func elements(resource *fhir.Value, path string) []*fhir.Value {
	var all []*fhir.Value
	for _, alternative := range steps[path] {
		found := []*fhir.Value{resource}
		for _, name := range alternative {
			var next []*fhir.Value
			for _, v := range found {
				next = append(next, children(v, name)...)
			}
			found = next
		}
		all = append(all, found...)
	}
	return all
}

// children returns the elements of v called name, or the extensions with a URL; of arrays every item.
func children(v *fhir.Value, name string) []*fhir.Value {
	name, url, isExtension := strings.Cut(name, "(")
	child := v.Get(name)
	var found []*fhir.Value
	switch {
	case child == nil:
	case child.Kind() != fhir.Array:
		found = append(found, child)
	default:
		for i := range child.Items() {
			item := &child.Items()[i]
			if !isExtension || item.Get("url").Text()+")" == url {
				found = append(found, item)
			}
		}
	}
	return found
}

// Identifiers returns the keys of Index that are a resource's identifiers with a system, which say what it is wherever it
// is written down.
func Identifiers(resource *fhir.Value) []int64 {
	var keys []int64
	for _, v := range children(resource, "identifier") {
		if system, value := v.Get("system").Text(), v.Get("value").Text(); system != "" && value != "" {
			keys = append(keys, TokenHash(resource.ResourceType(), "identifier", system, value))
		}
	}
	return keys
}
