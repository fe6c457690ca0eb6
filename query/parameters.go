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
	chains       []chain            // all of them hold
	byID         bool               // _id was given
	ids          []referral.UUID    // of which one is meant, when byID
	count        int
	total        total
	follows      bool // _lastUpdated was given: nothing may appear later among what was found
	sorts        []sorting
	includes     []include
	fill         int64      // key of the group whose Tasks without an owner are found, too; 0: none
	page         string     // token of a next link, or empty
	understood   url.Values // of the parameters above, without page
}

// total says how the number of matches is wanted (FHIR R4 search.html#total).
type total string

const (
	totalNone     total = ""
	totalEstimate total = "estimate"
	totalAccurate total = "accurate"
)

// sorting is a parameter that matches are sorted by (FHIR R4 search.html#sort).
type sorting struct {
	param      search.Param
	descending bool
}

const (
	defaultCount = 20
	maxCount     = 100
	maxCriteria  = 20
	maxSorts     = 8  // parameters that decide an order
	maxIncludes  = 20 // of _include and _revinclude
)

// parseQuery understands the parameters of a search. One that it does not know is refused, lest more is found than was
// asked for, or ignored for who prefers handling=lenient (FHIR R4 search.html#errors); one whose modifier or chain is not
// served is refused always, and so is an include but for who prefers lenient. base is as in search.ParseCriterion.
func parseQuery(resourceType, base string, values url.Values, lenient bool) (query, error) {
	q := query{resourceType: resourceType, base: base, count: defaultCount, understood: url.Values{}}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			known, err := q.add(name, value)
			if err != nil && lenient && isInclude(name) {
				continue // without it nothing else is found
			}
			if err != nil {
				return query{}, err
			}
			if !known && !lenient {
				return query{}, fhir.NewError(fhir.CodeNotSupported, "",
					"A search parameter is not supported; those of "+resourceType+" are "+strings.Join(parameterNames(resourceType), ", ")+
						". Prefer: handling=lenient ignores others").
					WithStatus(http.StatusBadRequest)
			}
		}
	}
	if len(q.criteria)+len(q.chains) > maxCriteria {
		return query{}, fhir.NewError(fhir.CodeTooCostly, "", fmt.Sprintf("A search has at most %d criteria", maxCriteria))
	}
	return q, nil
}

func isInclude(name string) bool {
	base, _, _ := strings.Cut(name, ":")
	return base == "_include" || base == "_revinclude"
}

func (q *query) add(name, value string) (known bool, err error) {
	base, modifier, _ := strings.Cut(name, ":")
	switch base {
	case "_id":
		if modifier != "" {
			err = unmodified("_id")
			break
		}
		err = q.addIDs(value)
	case "_count":
		err = q.setCount(value)
	case "_total":
		err = q.setTotal(value)
	case "_sort":
		err = q.addSorting(value)
	case "_include", "_revinclude":
		err = q.addInclude(base, modifier, value)
	case "_page":
		q.page = value
		return true, nil
	case "_format":
		return true, nil // fhirhttp.CheckAccept has seen it
	case "_has":
		err = q.addHas(modifier, value)
	default:
		if known, err = q.addCriterion(base, modifier, value); !known {
			return false, err
		}
	}
	if err != nil {
		return false, err
	}
	q.understood.Add(name, value)
	return true, nil
}

// addCriterion takes a parameter of the type, by itself or as the first link of a chain.
func (q *query) addCriterion(name, modifier, value string) (known bool, err error) {
	first, rest, chained := strings.Cut(name, ".")
	if !chained {
		modifier, rest, chained = strings.Cut(modifier, ".")
	} else if modifier != "" {
		rest, modifier = rest+":"+modifier, ""
	}
	p, ok := search.Lookup(q.resourceType, first)
	if !ok {
		return false, nil
	}
	if chained {
		return true, q.addChain(p, modifier, rest, value)
	}
	c, err := search.ParseCriterion(q.resourceType, p, modifier, value, q.base)
	if err != nil {
		return true, err
	}
	q.follows = q.follows || p.Name == lastUpdated
	q.criteria = append(q.criteria, c)
	return true, nil
}

// lastUpdated is the parameter that the order of results follows.
const lastUpdated = "_lastUpdated"

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
		if id, err := referral.ParseUUID(text); err == nil {
			ids = append(ids, id)
		}
	}
	q.meanIDs(ids)
	return nil
}

// meanIDs narrows q to ids.
func (q *query) meanIDs(ids []referral.UUID) {
	if q.byID {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id referral.UUID) bool { return !slices.Contains(q.ids, id) })
	}
	q.byID, q.ids = true, ids
}

// setCount takes the greatest page there is for a greater number, and 0 for the number of matches alone (FHIR R4
// search.html#count).
func (q *query) setCount(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || q.understood.Has("_count") {
		return fhir.NewError(fhir.CodeValue, "", "_count is one number from 0")
	}
	q.count = min(n, maxCount)
	return nil
}

func (q *query) setTotal(value string) error {
	q.total = total(value)
	if q.understood.Has("_total") || value != "none" && q.total != totalEstimate && q.total != totalAccurate {
		return fhir.NewError(fhir.CodeValue, "", "_total is none, estimate or accurate")
	}
	if value == "none" {
		q.total = totalNone
	}
	return nil
}

// addSorting takes names of parameters, behind a hyphen the other way around.
func (q *query) addSorting(value string) error {
	if strings.Count(value, ",") >= maxSorts {
		return fhir.NewError(fhir.CodeTooCostly, "", fmt.Sprintf("_sort takes at most %d parameters", maxSorts))
	}
	for name := range strings.SplitSeq(value, ",") {
		name, descending := strings.CutPrefix(name, "-")
		p, ok := search.Lookup(q.resourceType, name)
		if !ok {
			return fhir.NewError(fhir.CodeNotSupported, "", "_sort takes "+lastUpdated+" and the search parameters of "+q.resourceType).WithStatus(http.StatusBadRequest)
		}
		q.sorts = append(q.sorts, sorting{p, descending})
	}
	return nil
}

// forward tells that the oldest is wanted first.
func (q query) forward() bool {
	return len(q.sorts) == 1 && q.sorts[0].param.Name == lastUpdated && !q.sorts[0].descending
}

// isSorted tells that matches are wanted in another order than that of their last change.
func (q query) isSorted() bool {
	return len(q.sorts) > 1 || len(q.sorts) == 1 && q.sorts[0].param.Name != lastUpdated
}

func unmodified(name string) error {
	return fhir.NewError(fhir.CodeNotSupported, "", "The search parameter "+name+" is served without modifiers and chains").WithStatus(http.StatusBadRequest)
}

// commonParameters are those of every type.
func commonParameters() []string {
	names := []string{"_id", "_count", "_sort", "_total", "_include", "_revinclude", "_has", "_format"}
	for _, p := range search.Common() {
		names = append(names, p.Name)
	}
	return names
}

func parameterNames(resourceType string) []string {
	names := commonParameters()
	params, _ := search.Params(resourceType)
	for _, p := range params {
		names = append(names, p.Name)
	}
	return names
}

// handlesStrictly and handlesLeniently read the preference handling (FHIR R4 search.html#errors).
func handlesStrictly(r *http.Request) bool  { return fhirhttp.Prefer(r).Handling == "strict" }
func handlesLeniently(r *http.Request) bool { return fhirhttp.Prefer(r).Handling == "lenient" }
