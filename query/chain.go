package query

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// chain is a criterion about other resources: those that param of the searched type refers to (FHIR R4
// search.html#chaining), or, in reverse, those whose param refers to it (search.html#has).
type chain struct {
	param   search.Param
	reverse bool
	others  []query // what is searched for; one of them each type
}

// maxChained is how many resources the inner search of a chain may find.
const maxChained = 1000

// addChain takes what stands behind the dot of a chain: patient.name, or subject:Patient.name with the type.
func (q *query) addChain(p search.Param, resourceType, name, value string) error {
	types := p.Target
	if resourceType != "" {
		types = []string{resourceType}
	}
	if p.Type != search.Reference || len(types) == 0 || resourceType != "" && !slices.Contains(p.Modifiers(), resourceType) {
		return fhir.NewError(fhir.CodeNotSupported, "", "A chain begins with a reference, whose type stands behind a colon where there are many: "+
			"patient.identifier, subject:Patient.identifier").WithStatus(http.StatusBadRequest)
	}
	c := chain{param: p}
	if err := c.add(types, q.base, name, value); err != nil {
		return err
	}
	q.chains = append(q.chains, c)
	return nil
}

// addHas takes _has:Task:focus:status as Task:focus:status.
func (q *query) addHas(modifier, value string) error {
	parts := strings.SplitN(modifier, ":", 3)
	if len(parts) < 3 {
		return fhir.NewError(fhir.CodeValue, "", "_has names a type, its reference here and a parameter of it: _has:Task:focus:status")
	}
	p, ok := search.Lookup(parts[0], parts[1])
	if !ok || p.Type != search.Reference {
		return fhir.NewError(fhir.CodeNotSupported, "", "_has names no type of this server with such a reference; see /fhir/metadata").WithStatus(http.StatusBadRequest)
	}
	c := chain{param: p, reverse: true}
	if err := c.add(parts[:1], q.base, parts[2], value); err != nil {
		return err
	}
	q.chains = append(q.chains, c)
	return nil
}

// add takes the inner search, of those types that have its parameter.
func (c *chain) add(types []string, base, name, value string) error {
	name, modifier, _ := strings.Cut(name, ":")
	if strings.ContainsAny(name+modifier, ".:") || name == "_has" {
		return fhir.NewError(fhir.CodeNotSupported, "", "A chain has one step").WithStatus(http.StatusBadRequest)
	}
	for _, t := range types {
		inner := query{resourceType: t, base: base}
		if name == "_id" && modifier == "" {
			if err := inner.addIDs(value); err != nil {
				return err
			}
		} else if known, err := inner.addCriterion(name, modifier, value); err != nil {
			return err
		} else if !known {
			continue
		}
		c.others = append(c.others, inner)
	}
	if c.others == nil {
		return fhir.NewError(fhir.CodeNotSupported, "", "The parameter at the end of a chain is none of "+strings.Join(types, ", ")).WithStatus(http.StatusBadRequest)
	}
	return nil
}

// resolve turns the chains of q into criteria and ids: with what the caller may read, and nothing else.
func (s *Server) resolve(ctx context.Context, org string, q *query) error {
	for _, c := range q.chains {
		var targets []string
		for _, inner := range c.others {
			err := s.each(ctx, org, inner, maxChained, func(m *match) error {
				if !c.reverse {
					targets = append(targets, m.version.Type+"/"+m.version.ID)
					return nil
				}
				resource, err := m.parsed()
				if err != nil {
					return err
				}
				for _, to := range search.References(resource, c.param) {
					targets = append(targets, strings.Clone(to)) // lest it keeps the whole resource
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if !c.reverse {
			q.criteria = append(q.criteria, search.Referring(q.resourceType, c.param, targets))
			continue
		}
		var ids []referral.UUID
		for _, target := range targets {
			if t, id, ok := localTarget(target, q.base); ok && t == q.resourceType {
				ids = append(ids, id)
			}
		}
		q.meanIDs(ids)
	}
	q.chains = nil
	return nil
}

// localTarget reads a reference to a resource of this server.
func localTarget(reference, base string) (resourceType string, id referral.UUID, ok bool) {
	target, ok := fhir.ParseTarget(strings.TrimPrefix(reference, base))
	if !ok {
		return "", id, false
	}
	id, err := referral.ParseUUID(target.ID)
	return target.Type, id, err == nil
}

// errTooMany refuses a search whose parts find too much.
func errTooMany(limit int) error {
	return fhir.NewError(fhir.CodeTooCostly, "", fmt.Sprintf("This search has to look at more than %d resources; narrow it by an identifier, a reference or _lastUpdated", limit)).
		WithStatus(http.StatusBadRequest)
}
