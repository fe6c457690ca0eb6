package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// check returns the Bundle in document and the warnings about it, or an *fhir.Error with all that is wrong: by what the
// place takes that it was sent to, by FHIR and its profiles, and where its form is right also by what this server
// accepts.
func (s *Server) check(document *fhir.Value, takes func(*fhir.Value) error) (fhir.Bundle, []fhir.Issue, error) {
	if err := takes(document); err != nil {
		return fhir.Bundle{}, nil, err
	}
	if document.ResourceType() != "Bundle" {
		return fhir.Bundle{}, nil, fhir.NewError(fhir.CodeStructure, "", "A Bundle is expected: resourceType is another, or missing")
	}
	bundle := fhir.AsBundle(document)
	if len(bundle.Entries) > s.MaxEntries {
		return bundle, nil, fhir.NewError(fhir.CodeTooCostly, "Bundle.entry", fmt.Sprintf("A Bundle has at most %d entries", s.MaxEntries)).
			WithStatus(http.StatusRequestEntityTooLarge)
	}
	issues := s.Schemas.Check(document, "Bundle")
	if bundle.Type == "batch" {
		issues = spareBatch(issues, len(bundle.Entries))
	}
	if !isMalformed(issues) {
		issues = s.intakeIssues(bundle, issues)
	}
	issues, err := verdict(issues)
	return bundle, issues, err
}

// spareBatch makes warnings of what is wrong with some entries of a batch: they are independent, and those that are right
// are carried out (FHIR R4 http.html#brules). Each entry is told again when it settles. A batch in which nothing is right
// is refused, and so is one whose entries refer to each other: that was meant as a transaction, and a part of it is no
// referral.
func spareBatch(issues []fhir.Issue, entries int) []fhir.Issue {
	wrong := map[int]bool{}
	for _, issue := range issues {
		if !issue.Fails() {
			continue
		}
		i, ok := fhir.EntryOf(issue.Expression)
		if !ok || issue.Rule == "batch-independent" {
			return issues
		}
		wrong[i] = true
	}
	if len(wrong) == entries {
		return issues
	}
	for i := range issues {
		if issues[i].Fails() {
			issues[i].Severity = fhir.SeverityWarning
		}
	}
	return issues
}

// verdict returns the warnings among issues, or an *fhir.Error with all of them where one fails.
func verdict(issues []fhir.Issue) ([]fhir.Issue, error) {
	// What could not be checked is worth saying to who validates, not to who sends.
	issues = slices.DeleteFunc(issues, func(i fhir.Issue) bool { return i.Severity == fhir.SeverityInformation })
	if anyFails(issues) {
		return nil, &fhir.Error{Issues: issues, Status: requestStatus(issues)}
	}
	return issues, nil
}

// requestStatuses are the statuses that a request by itself is refused with, by the rules that say the same of an entry.
var requestStatuses = map[string]int{
	"request-match":      http.StatusBadRequest,
	"request-criteria":   http.StatusBadRequest,
	"request-etag":       http.StatusBadRequest,
	"reference-criteria": http.StatusBadRequest,
	"server-id":          http.StatusMethodNotAllowed,
}

// requestStatus returns the status of a Bundle in which nothing is wrong but requests that have one of their own, else 0.
func requestStatus(issues []fhir.Issue) int {
	status := 0
	for _, i := range issues {
		if !i.Fails() {
			continue
		}
		s := requestStatuses[i.Rule]
		if s == 0 || status != 0 && s != status {
			return 0
		}
		status = s
	}
	return status
}

// isMalformed tells that a document is not FHIR, so that its rules would find what follows from that.
func isMalformed(issues []fhir.Issue) bool {
	return slices.ContainsFunc(issues, func(i fhir.Issue) bool { return i.Fails() && i.Rule == "" })
}

func anyFails(issues []fhir.Issue) bool {
	return slices.ContainsFunc(issues, fhir.Issue.Fails)
}

// rules collects what is wrong by the rules of this server.
type rules struct {
	issues []fhir.Issue
	failed map[string]bool // expressions of which something is said already: what else is wrong there follows from it
	sought int             // alternatives of search criteria
	base   string          // of references to this server's resources, up to and with the slash before the type
}

func (s *Server) newRules(issues []fhir.Issue) *rules {
	r := &rules{issues: issues, failed: map[string]bool{}, base: s.base()}
	for _, i := range issues {
		if i.Fails() {
			r.failed[i.Expression] = true
		}
	}
	return r
}

func (r *rules) add(severity fhir.Severity, rule string, code fhir.Code, expression, details string) {
	r.issues = append(r.issues, fhir.Issue{
		Severity: severity, Code: code, Expression: expression, Details: details, Rule: rule, Source: fhir.OwnRules,
	})
}

func (r *rules) fail(rule string, code fhir.Code, expression, details string) {
	if !r.failed[expression] {
		r.add(fhir.SeverityError, rule, code, expression, details)
	}
}

// failAs reports the issues of err, an *fhir.Error or nil, as a broken rule.
func (r *rules) failAs(rule, expression string, err error) {
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		for _, i := range e.Issues {
			r.fail(rule, i.Code, expression, i.Details)
		}
	}
}

// intakeIssues holds a valid Bundle against what this server accepts and settles. It returns issues and what is to be
// said besides.
func (s *Server) intakeIssues(bundle fhir.Bundle, issues []fhir.Issue) []fhir.Issue {
	r := s.newRules(issues)
	switch bundle.Type {
	case "transaction":
		r.requests(bundle)
	case "batch", "document", "message", "collection":
	default:
		r.fail("bundle-type", fhir.CodeNotSupported, "Bundle.type", "This server accepts Bundles of type transaction, batch, document, message and collection")
		return r.issues
	}
	if len(bundle.Entries) == 0 {
		r.fail("bundle-empty", fhir.CodeRequired, "Bundle.entry", "The Bundle has no entries")
	}
	r.links(bundle)
	r.bounded(bundle)
	r.addressees(bundle)
	return r.issues
}
