package query

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// query is a search as it was understood.
type query struct {
	resourceType string
	base         string             // of this server's resources, with a slash at its end
	criteria     []search.Criterion // all of them hold
	byID         bool               // _id was given
	ids          []referral.UUID    // of which one is meant, when byID
	count        int
	page         string     // token of a next link, or empty
	understood   url.Values // of the parameters above, without page
}

const (
	defaultCount = 20
	maxCount     = 100
	maxCriteria  = 20
)

// parseQuery understands the parameters of a search. Those it does not know are ignored, or refused when strict (FHIR
// R4 search.html#errors). A known one with a modifier or chain that is not served is always refused: ignoring it
// would find more than was asked for. base is as in search.ParseCriterion.
func parseQuery(resourceType, base string, values url.Values, strict bool) (query, error) {
	q := query{resourceType: resourceType, base: base, count: defaultCount, understood: url.Values{}}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			known, err := q.add(name, value)
			if err != nil {
				return query{}, err
			}
			if !known && strict {
				return query{}, fhir.NewError(fhir.CodeNotSupported, "",
					"A search parameter is not supported; those of "+resourceType+" are "+strings.Join(parameterNames(resourceType), ", ")).
					WithStatus(http.StatusBadRequest)
			}
		}
	}
	if len(q.criteria) > maxCriteria {
		return query{}, fhir.NewError(fhir.CodeTooCostly, "", fmt.Sprintf("A search has at most %d criteria", maxCriteria))
	}
	return q, nil
}

func (q *query) add(name, value string) (known bool, err error) {
	switch name {
	case "_id":
		err = q.addIDs(value)
	case "_count":
		err = q.setCount(value)
	case "_page":
		q.page = value
		return true, nil
	case "_format":
		return true, nil // fhirhttp.CheckAccept has seen it
	default:
		base, _, more := cutAny(name, ":.")
		p, ok := search.Lookup(q.resourceType, base)
		if !ok && (!more || !slices.Contains(commonParameters(), base)) {
			return false, nil
		}
		if more {
			return false, fhir.NewError(fhir.CodeNotSupported, "", "The search parameter "+base+" is served without modifiers and chains").
				WithStatus(http.StatusBadRequest)
		}
		var c search.Criterion
		if c, err = search.ParseCriterion(q.resourceType, p, value, q.base); err == nil {
			q.criteria = append(q.criteria, c)
		}
	}
	if err != nil {
		return false, err
	}
	q.understood.Add(name, value)
	return true, nil
}

// addIDs narrows q to the resources whose id is in value. What is no id of this server is nobody's.
func (q *query) addIDs(value string) error {
	values := strings.Split(value, ",")
	if len(values) > maxCount {
		return fhir.NewError(fhir.CodeTooCostly, "", fmt.Sprintf("_id takes at most %d ids", maxCount))
	}
	var ids []referral.UUID
	for _, text := range values {
		if text == "" {
			return fhir.NewError(fhir.CodeValue, "", "The value of the search parameter _id is empty or malformed")
		}
		if id, err := referral.ParseUUID(text); err == nil && (!q.byID || slices.Contains(q.ids, id)) {
			ids = append(ids, id)
		}
	}
	q.byID, q.ids = true, ids
	return nil
}

// setCount takes the greatest page there is for a greater number (FHIR R4 search.html#count). 0 would ask for the number
// of matches: since keys of the index may collide, all of them would have to be read for it.
func (q *query) setCount(value string) error {
	n, err := strconv.Atoi(value)
	if err == nil && n == 0 {
		return fhir.NewError(fhir.CodeNotSupported, "", "_count=0 asks for the number of matches alone, which this server does not count; _count is from 1").
			WithStatus(http.StatusBadRequest)
	}
	if err != nil || n < 1 || q.understood.Has("_count") {
		return fhir.NewError(fhir.CodeValue, "", "_count is one number from 1")
	}
	q.count = min(n, maxCount)
	return nil
}

// commonParameters are those of every type.
func commonParameters() []string { return []string{"_id", "_count", "_format"} }

func parameterNames(resourceType string) []string {
	names := commonParameters()
	params, _ := search.Params(resourceType)
	for _, p := range params {
		names = append(names, p.Name)
	}
	return names
}

// handlesStrictly reads the preference handling (FHIR R4 search.html#errors); lenient is the default.
func handlesStrictly(r *http.Request) bool { return fhirhttp.Prefer(r).Handling == "strict" }

// cutAny cuts s at the first of chars.
func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
