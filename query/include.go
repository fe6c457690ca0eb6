package query

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// include asks for resources beside the matches (FHIR R4 search.html#revinclude): those that params of resources of a
// type refer to, or, in reverse, the resources of that type that refer to the matches.
type include struct {
	resourceType string // whose params they are
	params       []search.Param
	target       string // type of what is referred to; empty: any
	reverse      bool
	iterate      bool // from what is included, too
}

// maxIncluded is how many resources a page may have beside the matches.
const maxIncluded = 1000

// addInclude takes Task:focus, Task:focus:ServiceRequest or, for all references of the type, Task:*.
func (q *query) addInclude(name, modifier, value string) error {
	if len(q.includes) == maxIncludes {
		return fhir.NewError(fhir.CodeTooCostly, "", fmt.Sprintf("A search has at most %d of _include and _revinclude", maxIncludes))
	}
	i := include{reverse: name == "_revinclude", iterate: modifier == "iterate"}
	var param string
	i.resourceType, param, _ = strings.Cut(value, ":")
	param, i.target, _ = strings.Cut(param, ":")
	params, served := search.Params(i.resourceType)
	for _, p := range params {
		if p.Type == search.Reference && (!i.reverse || p.Use != search.Unindexed) && (p.Name == param || param == "*") {
			i.params = append(i.params, p)
		}
	}
	switch {
	case modifier != "" && !i.iterate:
		return fhir.NewError(fhir.CodeNotSupported, "", name+" has no modifier but iterate").WithStatus(http.StatusBadRequest)
	case !served || i.params == nil || i.target != "" && !isServed(i.target):
		return fhir.NewError(fhir.CodeNotSupported, "", name+" names a type and a reference of it, such as Task:focus; see /fhir/metadata").WithStatus(http.StatusBadRequest)
	case !i.reverse && !i.iterate && i.resourceType != q.resourceType:
		return fhir.NewError(fhir.CodeValue, "", "_include begins at "+q.resourceType+", which is searched for; from other types on it is _include:iterate")
	}
	q.includes = append(q.includes, i)
	return nil
}

// included returns what the includes of q ask for beside matches. whole is false when some of it was too much.
func (s *Server) included(ctx context.Context, org string, q query, matches []match) (all []match, whole bool, err error) {
	seen := map[string]bool{}
	for _, m := range matches {
		seen[m.version.ID] = true
	}
	room := s.PageBytes
	whole = true
	for from, first := matches, true; len(from) > 0 && whole; first = false {
		var next []match
		for _, i := range q.includes {
			if !first && !i.iterate {
				continue
			}
			searches, err := i.searches(from, q.base)
			if err != nil {
				return nil, false, err
			}
			for _, p := range searches {
				p.Count, p.Bytes = maxIncluded-len(all)-len(next), room
				if p.Count <= 0 || room <= 0 {
					return append(all, next...), false, nil
				}
				versions, more, err := s.Store.Search(ctx, org, p)
				if err != nil {
					return nil, false, storeError(err)
				}
				whole = whole && !more
				names := i.names(from)
				for _, v := range versions {
					m := match{version: v}
					if fits, err := i.fits(&m, names); err != nil {
						return nil, false, err
					} else if fits && !seen[v.ID] {
						seen[v.ID] = true
						room -= v.Size()
						next = append(next, m)
					}
				}
			}
		}
		all, from = append(all, next...), next
	}
	return all, whole, nil
}

// searches are those for what i asks for beside from, one for each type.
func (i include) searches(from []match, base string) ([]postgres.Search, error) {
	if i.reverse {
		var lead []search.KeyRange
		names := slices.Sorted(maps.Keys(i.names(from)))
		for _, p := range i.params {
			lead = append(lead, search.Referring(i.resourceType, p, names).Keys...)
		}
		if lead == nil {
			return nil, nil
		}
		return []postgres.Search{{Type: i.resourceType, Lead: lead}}, nil
	}
	type target struct {
		resourceType string
		id           referral.UUID
	}
	ids, seen := map[string][]referral.UUID{}, map[target]bool{}
	for k := range from {
		if from[k].version.Type != i.resourceType {
			continue
		}
		resource, err := from[k].parsed()
		if err != nil {
			return nil, err
		}
		for _, p := range i.params {
			for _, reference := range search.References(resource, p) {
				t, id, ok := localTarget(reference, base)
				if ok && (i.target == "" || t == i.target) && !seen[target{t, id}] {
					seen[target{t, id}] = true
					ids[t] = append(ids[t], id)
				}
			}
		}
	}
	var searches []postgres.Search
	for _, t := range slices.Sorted(maps.Keys(ids)) {
		searches = append(searches, postgres.Search{Type: t, IDs: ids[t]})
	}
	return searches, nil
}

// names are those of the matches that i may lead to.
func (i include) names(from []match) map[string]bool {
	names := map[string]bool{}
	for _, m := range from {
		if i.target == "" || m.version.Type == i.target {
			names[m.version.Type+"/"+m.version.ID] = true
		}
	}
	return names
}

// fits tells whether m, which the index led to, refers to one of names indeed.
func (i include) fits(m *match, names map[string]bool) (bool, error) {
	if !i.reverse {
		return true, nil
	}
	resource, err := m.parsed()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(i.params, func(p search.Param) bool {
		return slices.ContainsFunc(search.References(resource, p), func(to string) bool { return names[to] })
	}), nil
}
