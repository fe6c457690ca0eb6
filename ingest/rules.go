package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// check returns the Bundle in document and the warnings about it, or an *fhir.Error with all that is wrong: by FHIR and
// its profiles, and where its form is right also by what this server accepts.
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
	if !isMalformed(issues) {
		issues = append(issues, intakeIssues(bundle)...)
	}
	// What could not be checked is worth saying to who validates, not to who sends.
	issues = slices.DeleteFunc(issues, func(i fhir.Issue) bool { return i.Severity == fhir.SeverityInformation })
	if anyFails(issues) {
		return bundle, nil, &fhir.Error{Issues: issues}
	}
	return bundle, issues, nil
}

// isMalformed tells that a document is not FHIR, so that its rules would find what follows from that.
func isMalformed(issues []fhir.Issue) bool {
	return slices.ContainsFunc(issues, func(i fhir.Issue) bool { return i.Fails() && i.Rule == "" })
}

func anyFails(issues []fhir.Issue) bool {
	for _, issue := range issues {
		if issue.Fails() {
			return true
		}
	}
	return false
}

// rules collects what is wrong by the rules of this server.
type rules []fhir.Issue

func (r *rules) add(severity fhir.Severity, rule string, code fhir.Code, expression, details string) {
	*r = append(*r, fhir.Issue{
		Severity: severity, Code: code, Expression: expression, Details: details, Rule: rule, Source: fhir.OwnRules,
	})
}

func (r *rules) fail(rule string, code fhir.Code, expression, details string) {
	r.add(fhir.SeverityError, rule, code, expression, details)
}

// intakeIssues holds a valid Bundle against what this server accepts and settles.
func intakeIssues(bundle fhir.Bundle) []fhir.Issue {
	var r rules
	switch bundle.Type {
	case "transaction", "batch":
		requestRules(&r, bundle)
	case "document", "message", "collection":
	default:
		r.fail("bundle-type", fhir.CodeNotSupported, "Bundle.type", "This server accepts Bundles of type transaction, batch, document, message and collection")
		return r
	}
	if len(bundle.Entries) == 0 {
		r.fail("bundle-empty", fhir.CodeRequired, "Bundle.entry", "The Bundle has no entries")
	}
	linkRules(&r, bundle)
	addresseeRules(&r, bundle)
	return r
}

// requestRules are those of Bundles whose entries are requests.
func requestRules(r *rules, bundle fhir.Bundle) {
	for i, entry := range bundle.Entries {
		request := entry.Get("request")
		switch method := request.Get("method").Text(); {
		case request == nil:
		case method != "POST":
			r.fail("create-only", fhir.CodeNotSupported, bundle.Expression(i, "request", "method"), "This server settles creates (POST) in a "+bundle.Type)
		case request.Get("ifNoneExist") != nil:
			r.fail("create-only", fhir.CodeNotSupported, bundle.Expression(i, "request", "ifNoneExist"), "This server does not settle conditional creates")
		}
	}
}

// linkRules hold that a fullUrl is unique (bdl-7 would allow several versions of one resource: here each entry becomes
// a resource of its own, and a reference would lead to none of them for sure), and that no reference needs a search.
func linkRules(r *rules, bundle fhir.Bundle) {
	known := make(map[string]bool, len(bundle.Entries))
	for i, entry := range bundle.Entries {
		if entry.FullURL != "" && known[entry.FullURL] {
			r.fail("full-url-unique", fhir.CodeInvariant, bundle.Expression(i, "fullUrl"), "Another entry has the same fullUrl")
		}
		known[entry.FullURL] = true
	}
	for i, entry := range bundle.Entries {
		found := false
		entry.Resource.Strings(func(name string, s *fhir.Value) { found = found || name == "reference" && isConditional(s.Text()) })
		if !found {
			continue // nearly always, and without a path for every string
		}
		entry.Resource.Walk(bundle.Expression(i, "resource"), func(name, path string, s *fhir.Value) {
			if name == "reference" && isConditional(s.Text()) {
				r.fail("conditional-reference", fhir.CodeNotSupported, path, "This server does not resolve conditional references")
			}
		})
	}
}

// isConditional tells a reference by search criteria (FHIR R4 http.html#trules).
func isConditional(reference string) bool {
	target, _, found := strings.Cut(reference, "?")
	return found && !strings.ContainsAny(target, ":/")
}

// addresseeRules hold that a referral reaches somebody: what it is addressed to must be known now, since nobody could
// be told later. That it names no organisation at all is the sender's business, and worth a warning.
func addresseeRules(r *rules, bundle fhir.Bundle) {
	links := bundle.Links()
	addressees, err := referral.Addressees(bundle, links, nil)
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		for _, i := range e.Issues {
			r.fail("addressee", i.Code, i.Expression, i.Details)
		}
		return
	}
	request, addressed := -1, false
	for i, entry := range bundle.Entries {
		if entry.Resource.ResourceType() == "ServiceRequest" && request < 0 {
			request = i
		}
		addressed = addressed || len(addressees[i]) > 0
		for j, reference := range referral.AddresseeReferences(entry.Resource) {
			target := reference.Get("reference").Text()
			_, resolves := links.Entry(i, target)
			if target != "" && target[0] != '#' && !resolves && reference.Get("identifier") == nil {
				r.fail("addressee", fhir.CodeNotFound, bundle.Expression(i, "resource", addresseeElement(entry.Resource, j)),
					"A performer or owner is an entry of the Bundle, contained, or named by its HPI-O: this one is none of them, and would not see the referral")
			}
		}
	}
	if request >= 0 && !addressed {
		r.add(fhir.SeverityWarning, "addressee", fhir.CodeBusinessRule, bundle.Expression(request, "resource", "performer"),
			"Neither a performer nor a Task's owner is an organisation with an HPI-O: nobody but the sender will see this referral")
	}
}

// addresseeElement is where the j-th of a resource's addressees stands in it.
func addresseeElement(resource *fhir.Value, j int) string {
	if resource.ResourceType() == "Task" {
		return "owner"
	}
	return "performer[" + strconv.Itoa(j) + "]"
}
