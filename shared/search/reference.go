package search

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// addReference takes id, Type/id or a URL (FHIR R4 search.html#reference); behind the modifier of a type, an id is of that.
func (c *Criterion) addReference(resourceType, value, base string) error {
	target, ok := unescape(value)
	if !ok {
		return c.malformed()
	}
	targets := []string{target}
	if local, ok := strings.CutPrefix(target, base); ok && base != "" {
		targets = append(targets, local)
	}
	if !strings.Contains(target, "/") {
		types := c.param.Target
		switch {
		case c.modifier != "":
			types = []string{c.modifier}
		case len(types) == 0:
			types = Types()
		}
		targets = targets[:0]
		for _, t := range types {
			targets = append(targets, t+"/"+target)
		}
	}
	c.addTargets(resourceType, targets)
	return nil
}

// addTargets takes references as they are stored; of another type than the parameter's nothing is found.
func (c *Criterion) addTargets(resourceType string, targets []string) {
	for _, t := range targets {
		if c.param.leadsTo(t) && (c.modifier == "" || typeOf(t) == c.modifier) {
			h := ReferenceHash(resourceType, c.param.Name, t)
			c.Keys = append(c.Keys, KeyRange{h, h})
			c.alternatives = append(c.alternatives, alternative{target: t})
		}
	}
}

// Referring returns the criterion that p of resourceType refers to one of targets, each Type/id.
func Referring(resourceType string, p Param, targets []string) Criterion {
	c := Criterion{param: p, Use: p.Use}
	c.addTargets(resourceType, targets)
	return c
}

// References returns where p of a resource leads to, as it is stored.
func References(resource *fhir.Value, p Param) []string {
	var to []string
	for _, v := range elements(resource, p.Path) {
		if r := reference(v); r != "" && p.leadsTo(r) {
			to = append(to, r)
		}
	}
	return to
}

// reference returns where a Reference or a canonical leads to.
func reference(v *fhir.Value) string {
	if v.Kind() == fhir.String {
		return v.Text()
	}
	return v.Get("reference").Text()
}

// leadsTo tells whether a reference is to one of the parameter's target types.
func (p Param) leadsTo(reference string) bool {
	t := typeOf(reference)
	return t != "" && (len(p.Target) == 0 || slices.Contains(p.Target, t))
}

// typeOf returns what stands before the id, which of a reference to a resource is its type.
func typeOf(reference string) string {
	parts := strings.Split(reference, "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[len(parts)-2]
}
