package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
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
		issues = append(issues, untold(intakeIssues(bundle, s.base()), issues)...)
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

// untold leaves out what was told already of the same place by the same rule.
func untold(issues, told []fhir.Issue) []fhir.Issue {
	return slices.DeleteFunc(issues, func(i fhir.Issue) bool {
		return slices.ContainsFunc(told, func(t fhir.Issue) bool { return t.Rule == i.Rule && t.Expression == i.Expression })
	})
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
func intakeIssues(bundle fhir.Bundle, base string) []fhir.Issue {
	var r rules
	switch bundle.Type {
	case "transaction":
		requestRules(&r, bundle, base)
	case "batch", "document", "message", "collection":
	default:
		r.fail("bundle-type", fhir.CodeNotSupported, "Bundle.type", "This server accepts Bundles of type transaction, batch, document, message and collection")
		return r
	}
	if len(bundle.Entries) == 0 {
		r.fail("bundle-empty", fhir.CodeRequired, "Bundle.entry", "The Bundle has no entries")
	}
	linkRules(&r, bundle, base)
	addresseeRules(&r, bundle, base)
	return r
}

// requestRules are those of a transaction, which fails as a whole: what can never be carried out is said at once. Entries
// of a batch are independent, and each is told when it settles.
func requestRules(r *rules, bundle fhir.Bundle, base string) {
	for i, entry := range bundle.Entries {
		request := entry.Get("request")
		method := request.Get("method").Text()
		target, ok := fhir.ParseTarget(request.Get("url").Text())
		if _, known := search.Params(target.Type); !ok || !known {
			if request.Get("url") != nil {
				r.fail("request-url", fhir.CodeNotSupported, bundle.Expression(i, "request", "url"),
					"The URL of a request names a type of resources that this server has, or one resource, and no operation")
			}
			continue
		}
		condition, place := target.Query, "url"
		if method == http.MethodPost {
			condition, place = strings.TrimPrefix(request.Get("ifNoneExist").Text(), "?"), "ifNoneExist"
		}
		if condition != "" || method != http.MethodPost && target.ID == "" {
			if _, err := search.ParseCondition(target.Type, condition, base); err != nil {
				r.failAs("request-condition", bundle.Expression(i, "request", place), err)
			}
		}
		for _, name := range []string{"ifMatch", "ifNoneMatch"} {
			if tag := request.Get(name).Text(); tag != "" && tag != "*" && !etagPattern.MatchString(tag) {
				r.fail("request-version", fhir.CodeValue, bundle.Expression(i, "request", name), `An entity tag is written like W/"1"`)
			}
		}
		if method == http.MethodPatch {
			patchRule(r, bundle, i)
		}
	}
}

// patchRule holds that an entry whose method is PATCH has a JSON Patch (FHIR R4 http.html#patch: in a Binary).
func patchRule(r *rules, bundle fhir.Bundle, i int) {
	changes, err := patch.InBinary(bundle.Entries[i].Resource)
	if err == nil {
		err = patch.Check(changes)
	}
	if err != nil {
		r.failAs("request-patch", bundle.Expression(i, "resource"), err)
	}
}

// linkRules hold that a fullUrl is unique (bdl-7 would allow several versions of one resource: here each entry becomes
// a resource of its own, and a reference would lead to none of them for sure), and that references by search criteria
// stand where they are resolved, and can be.
func linkRules(r *rules, bundle fhir.Bundle, base string) {
	known := make(map[string]bool, len(bundle.Entries))
	for i, entry := range bundle.Entries {
		if entry.FullURL != "" && known[entry.FullURL] {
			r.fail("full-url-unique", fhir.CodeInvariant, bundle.Expression(i, "fullUrl"), "Another entry has the same fullUrl")
		}
		known[entry.FullURL] = true
	}
	for i, entry := range bundle.Entries {
		if bundle.Type == "transaction" || bundle.Type == "batch" {
			referenceRules(r, entry.Resource, bundle.Expression(i, "resource"), base)
			continue
		}
		conditionalReferences(entry.Resource, bundle.Expression(i, "resource"), func(path, _, _ string) {
			r.fail("conditional-reference", fhir.CodeNotSupported, path, "A reference by search criteria is resolved in a transaction or batch only")
		})
	}
}

// referenceRules hold that the criteria of references can be searched by.
func referenceRules(r *rules, resource *fhir.Value, path, base string) {
	conditionalReferences(resource, path, func(path, resourceType, query string) {
		if _, err := search.ParseCondition(resourceType, query, base); err != nil {
			r.failAs("conditional-reference", path, err)
		}
	})
}

// conditionalReferences calls visit for every reference by search criteria (FHIR R4 http.html#trules).
func conditionalReferences(resource *fhir.Value, path string, visit func(path, resourceType, query string)) {
	found := false
	resource.Strings(func(name string, s *fhir.Value) {
		if name == "reference" {
			_, _, ok := search.IsConditional(s.Text())
			found = found || ok
		}
	})
	if !found {
		return // nearly always, and without a path for every string
	}
	resource.Walk(path, func(name, path string, s *fhir.Value) {
		if resourceType, query, ok := search.IsConditional(s.Text()); ok && name == "reference" {
			visit(path, resourceType, query)
		}
	})
}

// failAs reports the issues of err, an *fhir.Error, as a broken rule.
func (r *rules) failAs(rule, expression string, err error) {
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		for _, i := range e.Issues {
			r.fail(rule, i.Code, expression, i.Details)
		}
	}
}

// addresseeRules hold that a referral reaches somebody. Whom it names by a place on this server is looked up when it
// settles; any other must be known now, since nobody could be told later. That it names no organisation at all is the
// sender's business, and worth a warning.
func addresseeRules(r *rules, bundle fhir.Bundle, base string) {
	links := bundle.Links()
	addressees, err := referral.Addressees(bundle, links, nil)
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		for _, i := range e.Issues {
			r.fail("addressee", i.Code, i.Expression, i.Details)
		}
		return
	}
	request, addressed := -1, false
	settles := bundle.Type == "transaction" || bundle.Type == "batch" // by looking at what is stored
	for i, entry := range bundle.Entries {
		if entry.Resource.ResourceType() == "ServiceRequest" && request < 0 {
			request = i
		}
		addressed = addressed || len(addressees[i]) > 0
		for j, reference := range referral.AddresseeReferences(entry.Resource) {
			target := reference.Get("reference").Text()
			_, resolves := links.Entry(i, target)
			if settles && !resolves && mayBeHere(target, base) {
				addressed = true
				continue
			}
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

// mayBeHere tells a reference to a resource that this server may have, or one by search criteria.
func mayBeHere(reference, base string) bool {
	if _, _, ok := search.IsConditional(reference); ok {
		return true
	}
	target, ok := fhir.ParseTarget(strings.TrimPrefix(reference, base))
	_, err := referral.ParseUUID(target.ID)
	return ok && err == nil
}

// addresseeElement is where the j-th of a resource's addressees stands in it.
func addresseeElement(resource *fhir.Value, j int) string {
	if resource.ResourceType() == "Task" {
		return "owner"
	}
	return "performer[" + strconv.Itoa(j) + "]"
}
