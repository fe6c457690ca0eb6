package processor

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// request is one that is to be settled: an entry of a transaction or batch, or the whole submission. An entry of any
// other Bundle is a create.
type request struct {
	method          string
	target          fhir.Target
	condition       *search.Condition // that finds the resource to write, or what to search for; nil: none
	ifMatch         string            // an ETag, or empty
	ifNoneMatch     string
	ifModifiedSince time.Time   // of a read; zero: whenever
	resource        *fhir.Value // of a create or update
	patch           []byte      // of a patch
}

// writes tells whether the request changes something that is there, or may be there, already.
func (r *request) writes() bool {
	return r.method == http.MethodPut || r.method == http.MethodPatch || r.method == http.MethodDelete
}

func (r *request) reads() bool { return r.method == http.MethodGet || r.method == http.MethodHead }

// resourceType is that of the resource that the request is about.
func (r *request) resourceType() string {
	if r.target.Type != "" {
		return r.target.Type
	}
	return r.resource.ResourceType() // of a Bundle whose entries have no requests
}

// isPlain tells a create that depends on nothing.
func (r *request) isPlain() bool { return r.method == http.MethodPost && r.condition == nil }

// bundleRequest reads entry i of a Bundle. The errors are what ingest has refused already.
func bundleRequest(bundle fhir.Bundle, i int, base string) (*request, error) {
	entry := bundle.Entries[i]
	r := &request{method: http.MethodPost, resource: entry.Resource}
	if bundle.Type == "transaction" || bundle.Type == "batch" {
		var err error
		if r, err = entryRequest(entry, base); err != nil {
			return nil, at(bundle.Expression(i, "request"), err)
		}
	}
	if (r.method == http.MethodPost || r.method == http.MethodPut) && r.resource.ResourceType() == "" {
		return nil, fhir.NewError(fhir.CodeRequired, bundle.Expression(i, "resource"), "The entry has no resource")
	}
	return r, nil
}

func entryRequest(entry fhir.Entry, base string) (*request, error) {
	written := entry.Get("request")
	r := &request{
		method: written.Get("method").Text(), resource: entry.Resource,
		ifMatch: written.Get("ifMatch").Text(), ifNoneMatch: written.Get("ifNoneMatch").Text(),
	}
	if since := written.Get("ifModifiedSince").Text(); since != "" {
		var err error
		if r.ifModifiedSince, err = time.Parse(time.RFC3339, since); err != nil {
			return nil, fhir.NewError(fhir.CodeValue, "", "ifModifiedSince is an instant")
		}
	}
	if r.method == http.MethodPatch {
		var err error
		if r.patch, err = patch.InBinary(entry.Resource); err != nil {
			return nil, err
		}
		r.resource = nil
	}
	return r, r.aim(written.Get("url").Text(), written.Get("ifNoneExist").Text(), base)
}

// singleRequest reads the request of a message that is no Bundle; document is its body, nil where it has none.
func singleRequest(m *queue.Message, document *fhir.Value, body []byte, base string) (*request, error) {
	r := &request{method: m.Request.Method, resource: document, ifMatch: m.Request.Conditions[0], ifNoneMatch: m.Request.Conditions[1]}
	if r.method == http.MethodPatch {
		r.patch = body
	}
	url, found := strings.CutPrefix(m.Request.URL, "/fhir/")
	if !found {
		return nil, fhir.NewError(fhir.CodeInvalid, "", "The request names no resource")
	}
	return r, r.aim(url, m.Request.Conditions[2], base)
}

// aim reads what the request is about.
func (r *request) aim(url, ifNoneExist, base string) error {
	target, ok := fhir.ParseTarget(url)
	if !ok {
		return fhir.NewError(fhir.CodeNotSupported, "", "This server settles no requests of this form")
	}
	r.target = target
	conditions := target.Query
	if r.method == http.MethodPost {
		conditions = strings.TrimPrefix(ifNoneExist, "?")
	}
	switch {
	case conditions == "" && (target.ID != "" || r.method == http.MethodPost && ifNoneExist == ""):
		return nil
	case target.ID != "":
		return fhir.NewError(fhir.CodeInvalid, "", "A request names an id, or conditions, but not both")
	}
	condition, err := search.ParseCondition(target.Type, conditions, base)
	if err != nil {
		return err
	}
	r.condition = &condition
	return nil
}

// matches tells whether a version meets If-Match (RFC 9110 §13.1.1, FHIR R4 http.html#concurrency).
func etagMatches(condition string, version int) bool {
	for tag := range strings.SplitSeq(condition, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || strings.Trim(tag, `"`) == strconv.Itoa(version) {
			return true
		}
	}
	return false
}

// at gives the issues of an *fhir.Error that have no place the one of the request.
func at(expression string, err error) error {
	e, ok := err.(*fhir.Error) //nolint:errorlint // made by the functions called here, and not wrapped
	if !ok {
		return err
	}
	placed := *e
	placed.Issues = append([]fhir.Issue(nil), e.Issues...)
	for i := range placed.Issues {
		if placed.Issues[i].Expression == "" {
			placed.Issues[i].Expression = expression
		}
	}
	return &placed
}
