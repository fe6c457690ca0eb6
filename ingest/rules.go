package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
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

// rules collects what is wrong.
type rules []fhir.Issue

func (r *rules) add(code fhir.Code, expression, details string) {
	*r = append(*r, fhir.Issue{Severity: fhir.SeverityError, Code: code, Expression: expression, Details: details})
}

func (r *rules) warn(code fhir.Code, expression, details string) {
	*r = append(*r, fhir.Issue{Severity: fhir.SeverityWarning, Code: code, Expression: expression, Details: details})
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

// linkRules hold that a fullUrl is unique (bdl-7, which would allow several versions of one resource: here each entry
// becomes a resource of its own, and a reference would lead to none of them for sure), and that every reference leads
// to an entry where only an entry can be meant.
func linkRules(r *rules, bundle fhir.Bundle) {
	known := make(map[string]bool, len(bundle.Entries))
	for i, entry := range bundle.Entries {
		if entry.FullURL != "" && known[entry.FullURL] {
			r.add(fhir.CodeInvariant, bundle.Expression(i, "fullUrl"), "bdl-7: another entry has the same fullUrl")
		}
		known[entry.FullURL] = true
	}
	links := bundle.Links()
	for i, entry := range bundle.Entries {
		entry.Resource.Walk(bundle.Expression(i, "resource"), func(name, path string, s *fhir.Value) {
			if name != "reference" {
				return
			}
			target, _, _ := strings.Cut(s.Text(), "#")
			_, resolves := links.Entry(i, target)
			searched, _, conditional := strings.Cut(target, "?")
			switch {
			case resolves || target == "":
			case bundle.Type == "batch" && known[target]:
				r.add(fhir.CodeNotFound, path, "Entries of a batch do not refer to each other; send a transaction")
			case len(target) >= 4 && strings.EqualFold(target[:4], "urn:"):
				r.add(fhir.CodeNotFound, path, "No entry of the Bundle has this fullUrl")
			case conditional && !strings.ContainsAny(searched, ":/"):
				r.add(fhir.CodeNotSupported, path, "This server does not resolve conditional references")
			}
		})
	}
	addresseeRules(r, bundle, links)
}

// addresseeRules hold that a referral reaches somebody: what it is addressed to must be known now, since nobody could
// be told later. That it names no organisation at all is the sender's business, and worth a warning.
func addresseeRules(r *rules, bundle fhir.Bundle, links *fhir.Links) {
	addressees, err := referral.Addressees(bundle, links)
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		*r = append(*r, e.Issues...)
		return
	}
	request, addressed := -1, false
	for i, entry := range bundle.Entries {
		if entry.Resource.ResourceType() == "ServiceRequest" && request < 0 {
			request = i
		}
		addressed = addressed || len(addressees[i]) > 0
		for _, reference := range referral.AddresseeReferences(entry.Resource) {
			target := reference.Get("reference").Text()
			_, resolves := links.Entry(i, target)
			if target != "" && target[0] != '#' && !resolves && reference.Get("identifier") == nil {
				r.add(fhir.CodeNotFound, bundle.Expression(i, "resource"),
					"A performer or owner is an entry of the Bundle, contained, or named by its HPI-O: this one is none of them, and would not see the referral")
			}
		}
	}
	if request >= 0 && !addressed {
		r.warn(fhir.CodeBusinessRule, bundle.Expression(request, "resource", "performer"),
			"Neither a performer nor a Task's owner is an organisation with an HPI-O: nobody but the sender will see this referral")
	}
}
