package bundle

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// request checks Bundle.entry.request (FHIR R4 http.html#transaction): that its URL is one that its method may have,
// that it fits the resource, and that no two requests of a transaction write to one resource.
func (w *walk) request(kind string, entry fhir.Entry, identities map[string]bool) {
	request := entry.Get("request")
	method, url := request.Get("method").Text(), request.Get("url").Text()
	if method == "" || url == "" {
		return // the schema layer's
	}
	target, isTarget := fhir.ParseTarget(url) // else an operation, a history or a search by POST
	w.at(func() {
		w.preconditions(method, request)
		switch {
		case !isRequestURL(strings.TrimPrefix(url, "/")): // with one, as the standard's own examples have it
			w.fail(own("request-url"), fhir.CodeValue, "url",
				"The URL of a request begins with a resource type and stays on this server, such as Patient or Patient/1")
		case isTarget:
			w.requestTarget(method, target, entry.Resource)
			if kind == "transaction" && (method == http.MethodPut || method == http.MethodPatch || method == http.MethodDelete) {
				w.identity(target, identities)
			}
		}
	}, "request")
	if isTarget {
		w.requestResource(method, entry.Resource)
	}
}

// isRequestURL tells whether url is relative to the server's base and stays below it.
func isRequestURL(url string) bool {
	path, _, _ := strings.Cut(url, "?")
	first := path
	if i := strings.IndexByte(path, '/'); i >= 0 {
		first = path[:i]
	}
	return first != "" && schemeOf(path) == "" && !strings.Contains(path, "//") && !strings.Contains(path, "..") &&
		!strings.ContainsAny(path, `\%#`) && (fhir.IsRelative(first+"/1") || first[0] == '$' || first == "metadata")
}

// identity holds that no request before has the same target.
func (w *walk) identity(t fhir.Target, identities map[string]bool) {
	key := t.Type + "/" + t.ID
	if t.ID == "" {
		key = t.Type + "?" + t.Query
	}
	if identities[key] {
		w.fail(own("request-identity"), fhir.CodeBusinessRule, "url", "Another entry of the transaction writes to the same resource")
	}
	identities[key] = true
}

// requestTarget holds a URL against its method and, where there is one, the resource.
func (w *walk) requestTarget(method string, t fhir.Target, resource *fhir.Value) {
	is := resource.ResourceType()
	switch method {
	case http.MethodPost:
		switch {
		case is == "":
		case t.ID != "" || t.Conditional:
			w.fail(own("request-url"), fhir.CodeValue, "url", "The URL of a create is the type of its resource")
		case t.Type != is:
			w.fail(own("request-match"), fhir.CodeInvalid, "url", "The URL of a create is the type of its resource (FHIR R4 http.html#create)")
		}
	case http.MethodPut:
		switch {
		case t.ID == "" && !t.Conditional:
			w.fail(own("request-url"), fhir.CodeBusinessRule, "url", "The URL of an update ends in an id, or in search criteria")
		case is != "" && t.Type != is:
			w.fail(own("request-match"), fhir.CodeInvalid, "url", "The URL of an update begins with the type of its resource (FHIR R4 http.html#update)")
		case t.ID != "" && resource != nil && resource.Get("id").Text() != t.ID:
			w.fail(own("request-match"), fhir.CodeInvalid, "url", "An update has the same id in its URL and in its resource (FHIR R4 http.html#update)")
		}
	case http.MethodPatch, http.MethodDelete:
		if t.ID == "" && !t.Conditional {
			w.fail(own("request-url"), fhir.CodeBusinessRule, "url", "The URL of a PATCH or DELETE ends in an id, or in search criteria")
		}
	}
	if method != http.MethodGet && method != http.MethodHead && (t.Version != "" || t.ID != "" && t.Conditional) {
		w.fail(own("request-url"), fhir.CodeValue, "url", "What is written is named by an id or by search criteria: not by both, and not by a version")
	}
}

// conditionsOf are the elements of a request that make it depend on what is there, by the methods that have them
// (FHIR R4 http.html#cond-update, #concurrency, #cread). In any other they would be passed over in silence.
var conditionsOf = map[string][]string{
	http.MethodPost: {"ifNoneExist"}, http.MethodPut: {"ifMatch", "ifNoneMatch"}, http.MethodPatch: {"ifMatch"},
	http.MethodDelete: {"ifMatch"}, http.MethodGet: {"ifNoneMatch", "ifModifiedSince"}, http.MethodHead: {"ifNoneMatch", "ifModifiedSince"},
}

func (w *walk) preconditions(method string, request *fhir.Value) {
	for _, name := range []string{"ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince"} {
		if request.Get(name) != nil && !slices.Contains(conditionsOf[method], name) {
			w.fail(own("request-condition"), fhir.CodeNotSupported, name, "A "+name+" has no meaning for this method")
		}
	}
}

// requestResource holds that a request has the resource it writes, and a deletion none.
func (w *walk) requestResource(method string, resource *fhir.Value) {
	is := resource.ResourceType()
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		if resource == nil {
			w.fail(own("request-resource"), fhir.CodeRequired, "resource", "An entry whose method is "+method+" has a resource")
		} else if method == http.MethodPatch && is != "Binary" && is != "Parameters" {
			w.fail(own("request-resource"), fhir.CodeValue, "resource", "A PATCH is a Binary with a JSON Patch, or Parameters")
		}
	case http.MethodDelete:
		if resource != nil {
			w.fail(own("request-resource"), fhir.CodeStructure, "resource", "An entry whose method is DELETE has no resource: it names one")
		}
	}
}
