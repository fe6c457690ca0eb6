package ingest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// check returns the Bundle in document and the warnings about it, or an *fhir.Error with all that is wrong: first
// its form, by the schemas, and only when that is right the rules of a Bundle.
func (s *Server) check(document *fhir.Value) (fhir.Bundle, []fhir.Issue, error) {
	if document.ResourceType() != "Bundle" {
		return fhir.Bundle{}, nil, fhir.NewError(fhir.CodeStructure, "", "A Bundle is expected: resourceType is another, or missing")
	}
	bundle := fhir.AsBundle(document)
	if len(bundle.Entries) > s.MaxEntries {
		return bundle, nil, fhir.NewError(fhir.CodeTooCostly, "Bundle.entry", fmt.Sprintf("A Bundle has at most %d entries", s.MaxEntries)).
			WithStatus(http.StatusRequestEntityTooLarge)
	}
	issues := s.Schemas.Check(document, "Bundle")
	if anyFails(issues) {
		return bundle, nil, &fhir.Error{Issues: issues}
	}
	issues = append(issues, bundleIssues(bundle)...)
	if anyFails(issues) {
		return bundle, nil, &fhir.Error{Issues: issues, Status: http.StatusUnprocessableEntity}
	}
	return bundle, issues, nil
}

func anyFails(issues []fhir.Issue) bool {
	for _, issue := range issues {
		if issue.Fails() {
			return true
		}
	}
	return false
}

// rules collects issues of severity error.
type rules []fhir.Issue

func (r *rules) add(code fhir.Code, expression, details string) {
	*r = append(*r, fhir.Issue{Severity: fhir.SeverityError, Code: code, Expression: expression, Details: details})
}

// bundleIssues holds a Bundle against the rules of its type (FHIR R4 bundle.html, bdl-3 to bdl-12).
func bundleIssues(bundle fhir.Bundle) []fhir.Issue {
	var r rules
	switch bundle.Type {
	case "transaction", "batch":
		requestRules(&r, bundle)
	case "document":
		contentRules(&r, bundle)
		documentRules(&r, bundle)
	case "message":
		contentRules(&r, bundle)
		firstEntry(&r, bundle, "MessageHeader", "bdl-12")
	case "collection":
		contentRules(&r, bundle)
	default:
		r.add(fhir.CodeNotSupported, "Bundle.type", "This server accepts Bundles of type transaction, batch, document, message and collection")
		return r
	}
	if len(bundle.Entries) == 0 {
		r.add(fhir.CodeRequired, "Bundle.entry", "The Bundle has no entries")
	}
	linkRules(&r, bundle)
	return r
}

// requestRules are those of Bundles whose entries are requests.
func requestRules(r *rules, bundle fhir.Bundle) {
	for i, entry := range bundle.Entries {
		request := entry.Get("request")
		switch method := request.Get("method").Text(); {
		case request == nil:
			r.add(fhir.CodeInvariant, bundle.Expression(i, "request"), "bdl-3: an entry of a "+bundle.Type+" has a request")
			continue
		case method != "POST":
			r.add(fhir.CodeNotSupported, bundle.Expression(i, "request", "method"), "This server settles creates (POST) in a "+bundle.Type)
			continue
		case request.Get("ifNoneExist") != nil:
			r.add(fhir.CodeNotSupported, bundle.Expression(i, "request", "ifNoneExist"), "This server does not settle conditional creates")
		}
		switch resource := entry.Resource; {
		case resource == nil:
			r.add(fhir.CodeRequired, bundle.Expression(i, "resource"), "An entry that creates has a resource")
		case request.Get("url").Text() != resource.ResourceType():
			r.add(fhir.CodeValue, bundle.Expression(i, "request", "url"), "The URL of a create is the type of its resource")
		}
		if entry.Get("response") != nil {
			r.add(fhir.CodeInvariant, bundle.Expression(i, "response"), "bdl-4: an entry that is sent has no response")
		}
	}
}

// contentRules are those of Bundles whose entries are content and not requests.
func contentRules(r *rules, bundle fhir.Bundle) {
	for i, entry := range bundle.Entries {
		if entry.Resource == nil {
			r.add(fhir.CodeRequired, bundle.Expression(i, "resource"), "An entry of a "+bundle.Type+" has a resource")
		}
		if entry.FullURL == "" && bundle.Type != "collection" {
			r.add(fhir.CodeRequired, bundle.Expression(i, "fullUrl"), "An entry of a "+bundle.Type+" has a fullUrl")
		}
		if entry.Get("request") != nil {
			r.add(fhir.CodeInvariant, bundle.Expression(i, "request"), "bdl-3: an entry of a "+bundle.Type+" has no request")
		}
		if entry.Get("response") != nil {
			r.add(fhir.CodeInvariant, bundle.Expression(i, "response"), "bdl-4: an entry of a "+bundle.Type+" has no response")
		}
	}
}

func documentRules(r *rules, bundle fhir.Bundle) {
	if identifier := bundle.Get("identifier"); identifier.Get("system") == nil || identifier.Get("value") == nil {
		r.add(fhir.CodeInvariant, "Bundle.identifier", "bdl-9: a document has an identifier with a system and a value")
	}
	if bundle.Get("timestamp") == nil {
		r.add(fhir.CodeInvariant, "Bundle.timestamp", "bdl-10: a document has a timestamp")
	}
	firstEntry(r, bundle, "Composition", "bdl-11")
}

func firstEntry(r *rules, bundle fhir.Bundle, resourceType, key string) {
	if len(bundle.Entries) > 0 && bundle.Entries[0].Resource.ResourceType() != resourceType {
		r.add(fhir.CodeInvariant, bundle.Expression(0, "resource"), key+": the first entry of a "+bundle.Type+" is a "+resourceType)
	}
}

// linkRules hold that a fullUrl is unique (bdl-7) and that every urn:uuid or urn:oid reference leads to one. Entries
// of a batch do not know each other (FHIR R4 http.html#brules), so there it leads nowhere.
func linkRules(r *rules, bundle fhir.Bundle) {
	known := make(map[string]bool, len(bundle.Entries))
	for i, entry := range bundle.Entries {
		if entry.FullURL == "" {
			continue
		}
		version := entry.FullURL + "|" + entry.Resource.At("meta", "versionId").Text()
		if known[version] {
			r.add(fhir.CodeInvariant, bundle.Expression(i, "fullUrl"), "bdl-7: another entry has the same fullUrl")
		}
		known[version] = true
		if bundle.Type != "batch" {
			known[entry.FullURL] = true
		}
	}
	for i, entry := range bundle.Entries {
		entry.Resource.Walk(bundle.Expression(i, "resource"), func(name, path string, s *fhir.Value) {
			target, _, _ := strings.Cut(s.Text(), "#")
			if name == "reference" && strings.HasPrefix(target, "urn:") && !known[target] {
				details := "No entry of the Bundle has this fullUrl"
				if bundle.Type == "batch" {
					details = "Entries of a batch do not refer to each other; send a transaction"
				}
				r.add(fhir.CodeNotFound, path, details)
			}
		})
	}
}
