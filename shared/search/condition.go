package search

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Condition says which resource of a type is meant without naming it: of a conditional create, update, patch or delete,
// and of a conditional reference (FHIR R4 http.html#cond-update, #trules).
type Condition struct {
	Type     string
	IDs      []referral.UUID // any of them, where ByID
	ByID     bool            // _id was given: without IDs nothing is meant
	Criteria []Criterion     // all of them hold
}

// maxCriteria bounds the work that one condition asks for.
const maxCriteria = 20

// ParseCondition reads search criteria as they stand behind a question mark, percent-encoded. base is as in
// ParseCriterion. Nothing is ignored, since that would mean more resources than the caller does: a parameter that is
// not known, a modifier or a result parameter such as _count is refused. The error is a *fhir.Error with status 400.
func ParseCondition(resourceType, query, base string) (Condition, error) {
	c := Condition{Type: resourceType}
	values, err := url.ParseQuery(query)
	if err != nil || len(values) == 0 {
		return c, fhir.NewError(fhir.CodeInvalid, "", "The conditions are empty, or not written as the query of a URL")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			if name == "_id" {
				if err := c.addIDs(value); err != nil {
					return c, err
				}
				continue
			}
			p, ok := Lookup(resourceType, name)
			if !ok || p.Type != Token && p.Type != Reference {
				return c, fhir.NewError(fhir.CodeInvalid, "", "The conditions have a parameter, a modifier or a chain that does not stand in conditions here: "+
					"they take tokens and references")
			}
			criterion, err := ParseCriterion(resourceType, p, "", value, base)
			if err == nil && criterion.anyOf(func(a alternative) bool { return a.code+a.target == "" }) {
				err = fhir.NewError(fhir.CodeNotSupported, "", "The search parameter "+p.Name+" needs a code in conditions, not a system alone").
					WithStatus(http.StatusBadRequest)
			}
			if err != nil {
				return c, err
			}
			c.Criteria = append(c.Criteria, criterion)
		}
	}
	if len(c.Criteria) > maxCriteria {
		return c, fhir.NewError(fhir.CodeTooCostly, "", "At most "+strconv.Itoa(maxCriteria)+" criteria may stand in one condition")
	}
	if !c.ByID && !slices.ContainsFunc(c.Criteria, Criterion.Leads) {
		return c, fhir.NewError(fhir.CodeTooCostly, "", "The conditions need a parameter that few resources share, such as identifier or a reference").
			WithStatus(http.StatusBadRequest)
	}
	return c, nil
}

// addIDs narrows c to the resources whose id is in value. What is no id of this server is nobody's.
func (c *Condition) addIDs(value string) error {
	var ids []referral.UUID
	texts := strings.Split(value, ",")
	if len(texts) > maxAlternatives {
		return fhir.NewError(fhir.CodeTooCostly, "", "_id has too many alternatives")
	}
	for _, text := range texts {
		if text == "" {
			return fhir.NewError(fhir.CodeValue, "", "The value of the search parameter _id is empty or malformed")
		}
		if id, err := referral.ParseUUID(text); err == nil && (!c.ByID || slices.Contains(c.IDs, id)) {
			ids = append(ids, id)
		}
	}
	c.ByID, c.IDs = true, ids
	return nil
}

// Ranges are those of the index to look in. They are nil when the resource is meant by its id.
func (c Condition) Ranges() []KeyRange {
	if c.ByID {
		return nil
	}
	return MakePlan(c.Type, c.Criteria).Lead
}

// Alternatives counts what the condition asks for; it is at least 1.
func (c Condition) Alternatives() int {
	n := len(c.IDs)
	for _, k := range c.Criteria {
		n += len(k.alternatives)
	}
	return max(n, 1)
}

// IsConditional cuts a conditional reference such as Patient?identifier=a|b into type and query.
func IsConditional(reference string) (resourceType, query string, ok bool) {
	resourceType, query, ok = strings.Cut(reference, "?")
	return resourceType, query, ok && fhir.IsRelative(resourceType+"/1")
}
