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
	for _, p := range params[resourceType] {
		for _, v := range elements(resource, p.Path) {
			switch p.Type {
			case Token:
				for _, t := range tokens(v) {
					keys = append(keys, TokenHash(resourceType, p.Name, t.system, t.code))
				}
			case Reference:
				if reference := target(v.Get("reference").Text()); p.leadsTo(reference) {
					keys = append(keys, ReferenceHash(resourceType, p.Name, reference))
				}
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// token is a code in its system, which may be empty.
type token struct{ system, code string }

// tokens returns what an Identifier, a CodeableConcept, a Coding or a code is found by (FHIR R4 search.html#token). A
// code itself names no system.
func tokens(v *fhir.Value) []token {
	if v.Kind() != fhir.Object {
		if v.Text() == "" {
			return nil
		}
		return []token{{code: v.Text()}}
	}
	var found []token
	for _, c := range append(elements(v, "coding"), v) {
		code := c.Get("code")
		if code == nil {
			code = c.Get("value")
		}
		if code != nil {
			found = append(found, token{c.Get("system").Text(), code.Text()})
		}
	}
	return found
}

// leadsTo tells whether a reference is to one of the parameter's target types.
func (p Param) leadsTo(reference string) bool {
	parts := strings.Split(reference, "/")
	if len(parts) < 2 {
		return false
	}
	return len(p.Target) == 0 || slices.Contains(p.Target, parts[len(parts)-2])
}

// elements returns what path leads to below resource, every item of an array by itself.
func elements(resource *fhir.Value, path string) []*fhir.Value {
	found := []*fhir.Value{resource}
	for _, name := range strings.Split(path, ".") {
		var next []*fhir.Value
		for _, v := range found {
			child := v.Get(name)
			if child.Kind() != fhir.Array {
				next = append(next, child)
				continue
			}
			for i := range child.Items() {
				next = append(next, &child.Items()[i])
			}
		}
		found = next
	}
	return found
}

// Identifiers returns the keys of Index that are a resource's identifiers with a system, which say what it is wherever it
// is written down.
func Identifiers(resource *fhir.Value) []int64 {
	var keys []int64
	for _, v := range elements(resource, "identifier") {
		if system, value := v.Get("system").Text(), v.Get("value").Text(); system != "" && value != "" {
			keys = append(keys, TokenHash(resource.ResourceType(), "identifier", system, value))
		}
	}
	return keys
}
