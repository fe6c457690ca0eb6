package search

import "cmp"

// Plan is how the index serves criteria.
type Plan struct {
	Lead   []KeyRange   // to look up; nil: no criterion leads
	Checks [][]KeyRange // of each, what Lead leads to has a key
}

// MakePlan plans a search for resources of a type that meet all of the criteria.
func MakePlan(resourceType string, criteria []Criterion) Plan {
	var p Plan
	lead := -1
	for i, c := range criteria {
		if c.Leads() && (lead < 0 || compareLead(c, criteria[lead]) < 0) {
			lead = i
		}
	}
	if lead >= 0 {
		p.Lead = criteria[lead].Keys
	}
	for i, c := range criteria {
		if i != lead && c.exact() {
			p.Checks = append(p.Checks, c.Keys)
		}
	}
	if pairs := pairKeys(resourceType, criteria); pairs != nil && (lead < 0 || criteria[lead].param.Type == Reference) {
		p.Lead = pairs
	}
	return p
}

// compareLead puts first what leads to fewer resources: tokens that few share before strings, dates and references, and
// few alternatives before many.
func compareLead(a, b Criterion) int {
	rank := func(c Criterion) int {
		switch {
		case c.param.Type == Token && c.exact():
			return 0
		case c.param.Type == Token:
			return 1
		case c.param.Type == Reference:
			return 2
		default:
			return 3
		}
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a.Keys), len(b.Keys)))
}

// pairKeys returns the keys of the first pair of combined that criteria ask for, nil where they ask for none.
func pairKeys(resourceType string, criteria []Criterion) []KeyRange {
	for _, pair := range combined[resourceType] {
		for _, link := range criteria {
			for _, code := range criteria {
				if link.param.Name == pair[0] && code.param.Name == pair[1] && link.exact() && code.exact() && link.modifier != "identifier" {
					var keys []KeyRange
					for _, to := range link.alternatives {
						for _, t := range code.alternatives {
							h := pairHash(resourceType, pair, to.target, t.code)
							keys = append(keys, KeyRange{h, h})
						}
					}
					return keys
				}
			}
		}
	}
	return nil
}
