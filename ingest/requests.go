package ingest

import (
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
				err = patch.Check(changes)
			}
			r.failAs("request-patch", bundle.Expression(i, "resource"), err)
		}
	}
}

// criteria holds that what a request finds its resources by can be searched.
func (r *rules) criteria(request *fhir.Value, target fhir.Target, expression string) {
	switch method := request.Get("method").Text(); {
	case method == http.MethodPost && request.Get("ifNoneExist") != nil:
		criteria := strings.TrimPrefix(request.Get("ifNoneExist").Text(), "?")
		_, err := search.ParseCondition(target.Type, criteria, r.base)
		r.failAs("request-criteria", expression+".ifNoneExist", err)
	case method == http.MethodPost || target.ID != "":
	case method == http.MethodGet || method == http.MethodHead:
		if _, err := search.ParseCondition(target.Type, target.Query, r.base); err != nil {
			r.fail("request-url", fhir.CodeNotSupported, expression+".url",
				"A search in a transaction has search parameters that this server knows for the type, without modifiers, and no others")
		}
	default:
		_, err := search.ParseCondition(target.Type, target.Query, r.base)
		r.failAs("request-criteria", expression+".url", err)
	}
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
