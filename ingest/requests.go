package ingest

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// requests holds the entries of a transaction, which fails as a whole, against what this server can carry out: what it
// can never is said at once. Entries of a batch are independent, and each is told when it settles.
func (r *rules) requests(bundle fhir.Bundle) {
	for i, entry := range bundle.Entries {
		request := entry.Get("request")
		if request.Get("url") == nil {
			continue // the schema layer's
		}
		target, ok := fhir.ParseTarget(request.Get("url").Text())
		if _, known := search.Params(target.Type); !ok || !known {
			r.fail("request-url", fhir.CodeNotSupported, bundle.Expression(i, "request", "url"),
				"In a transaction this server carries out requests about a type of resources that it has, or about one resource, and no operations")
			continue
		}
		r.criteria(request, target, bundle.Expression(i, "request"))
		for _, name := range []string{"ifMatch", "ifNoneMatch"} {
			if tag := request.Get(name).Text(); tag != "" && !isETag(tag) {
				r.fail("request-etag", fhir.CodeValue, bundle.Expression(i, "request", name), notETag)
			}
		}
		switch request.Get("method").Text() {
		case http.MethodPut:
			if !isOurs(target) {
				r.fail("server-id", fhir.CodeNotSupported, bundle.Expression(i, "request", "url"), notOurs)
			}
		case http.MethodPatch:
			changes, err := patch.InBinary(entry.Resource)
			if err == nil {
				err = checkPatch(changes)
			}
			r.failAs("request-patch", bundle.Expression(i, "resource"), err)
		}
	}
}

// criteria holds that what a request finds its resources by can be searched.
func (r *rules) criteria(request *fhir.Value, target fhir.Target, expression string) {
	criteria, place, ok := criteriaIn(request, target)
	if !ok {
		return
	}
	err := r.condition(target.Type, criteria)
	if method := request.Get("method").Text(); err != nil && (method == http.MethodGet || method == http.MethodHead) {
		r.fail("request-url", fhir.CodeNotSupported, expression+"."+place,
			"A search in a transaction has search parameters that this server knows for the type, without modifiers, and no others")
		return
	}
	r.failAs("request-criteria", expression+"."+place, err)
}

// criteriaIn returns the search criteria of a request, if it has any, and the element that they stand in.
func criteriaIn(request *fhir.Value, target fhir.Target) (criteria, place string, ok bool) {
	switch ifNoneExist := request.Get("ifNoneExist"); {
	case request.Get("method").Text() == http.MethodPost:
		return strings.TrimPrefix(ifNoneExist.Text(), "?"), "ifNoneExist", ifNoneExist != nil
	default:
		return target.Query, "url", target.ID == ""
	}
}

// condition holds that criteria can be searched, and counts what they ask for.
func (r *rules) condition(resourceType, criteria string) error {
	if r.sought > search.MaxAlternatives {
		return nil // said once, below
	}
	c, err := search.ParseCondition(resourceType, criteria, r.base)
	if err == nil {
		r.sought += c.Alternatives()
	}
	return err
}

// bounded holds that all search criteria together are no more than may be looked for at once. Those of a batch are
// counted here: what else is wrong with them is told when it settles.
func (r *rules) bounded(bundle fhir.Bundle) {
	if bundle.Type == "batch" {
		for _, entry := range bundle.Entries {
			request := entry.Get("request")
			target, ok := fhir.ParseTarget(request.Get("url").Text())
			if criteria, _, conditional := criteriaIn(request, target); ok && conditional {
				_ = r.condition(target.Type, criteria)
			}
		}
	}
	if r.sought > search.MaxAlternatives {
		r.fail("criteria-limit", fhir.CodeTooCostly, "Bundle.entry",
			fmt.Sprintf("The search criteria of a Bundle have at most %d alternatives in all", search.MaxAlternatives))
	}
}

// checkPatch holds that changes are a JSON Patch, and one that leaves no reference by search criteria.
func checkPatch(changes []byte) error {
	if err := patch.Check(changes); err != nil {
		return err
	}
	operations, err := fhir.Parse(changes, "", fhir.Limits{Root: fhir.Array})
	if err != nil {
		return err
	}
	conditional := false
	for i := range operations.Items() {
		operation := &operations.Items()[i]
		toReference := strings.HasSuffix(operation.Get("path").Text(), "/reference")
		operation.Strings(func(name string, v *fhir.Value) {
			_, _, ok := search.IsConditional(v.Text())
			conditional = conditional || ok && (name == "reference" || name == "value" && toReference && v == operation.Get("value"))
		})
	}
	if conditional {
		return fhir.NewError(fhir.CodeNotSupported, "", "A reference by search criteria is resolved in a resource that is sent whole, and in no patch")
	}
	return nil
}

const (
	notOurs = "There is no resource with this id, and this server gives ids itself: create the resource with POST"
	notETag = `A version is named by its entity tag, such as W/"1"; * is any`
)

// isOurs tells whether a target that has an id can be a resource of this server at all.
func isOurs(target fhir.Target) bool {
	_, err := referral.ParseUUID(target.ID)
	return target.ID == "" || err == nil
}

// etagPattern is an entity tag as this server gives them (FHIR R4 http.html#versioning), written weak or strong.
var etagPattern = regexp.MustCompile(`^(?:W/)?"[1-9][0-9]{0,9}"$`)

func isETag(text string) bool { return text == "*" || etagPattern.MatchString(text) }
