package bundle

import (
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
	url = strings.TrimPrefix(url, "/") // as the standard's own examples have it
	w.at(func() {
		if !isRequestURL(url) {
			w.fail(own("request-url"), fhir.CodeValue, "url",
				"The URL of a request begins with a resource type and stays on this server, such as Patient or Patient/1")
			return
		}
		w.requestURL(method, url, entry.Resource)
		if kind == "transaction" && (method == "PUT" || method == "PATCH" || method == "DELETE") {
			if identities[url] {
				w.fail(own("request-identity"), fhir.CodeBusinessRule, "url", "Another entry of the transaction writes to the same resource")
			}
			identities[url] = true
		}
	}, "request")
	if !strings.Contains(url, "$") && !strings.HasSuffix(url, "/_search") {
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

// requestURL holds a URL against its method and, where there is one, the resource.
func (w *walk) requestURL(method, url string, resource *fhir.Value) {
	path, _, searched := strings.Cut(url, "?")
	if strings.Contains(path, "$") {
		return // an operation
	}
	typ, id, instance := strings.Cut(path, "/")
	is := resource.ResourceType()
	switch method {
	case "POST":
		if is != "" && url != is && id != "_search" {
			w.fail(own("request-url"), fhir.CodeValue, "url", "The URL of a create is the type of its resource")
		}
	case "PUT":
		switch {
		case !instance && !searched:
			w.fail(own("request-url"), fhir.CodeBusinessRule, "url", "The URL of an update ends in an id, or in search criteria")
		case is != "" && typ != is:
			w.fail(own("request-url"), fhir.CodeValue, "url", "The URL of an update begins with the type of its resource")
		case instance && resource != nil && resource.Get("id").Text() != id:
			w.fail(own("request-url"), fhir.CodeValue, "url", "An update has the same id in its URL and in its resource (FHIR R4 http.html#update)")
		}
	case "PATCH", "DELETE":
		if !instance && !searched {
			w.fail(own("request-url"), fhir.CodeBusinessRule, "url", "The URL of a PATCH or DELETE ends in an id, or in search criteria")
		}
	}
}

// requestResource holds that a request has the resource it writes.
func (w *walk) requestResource(method string, resource *fhir.Value) {
	switch method {
	case "POST", "PUT", "PATCH":
	default:
		return
	}
	is := resource.ResourceType()
	switch {
	case resource == nil:
		w.fail(own("request-resource"), fhir.CodeRequired, "resource", "An entry whose method is "+method+" has a resource")
	case method == "PATCH" && is != "Binary" && is != "Parameters":
		w.fail(own("request-resource"), fhir.CodeValue, "resource", "A PATCH is a Binary with a JSON Patch, or Parameters")
	}
}
