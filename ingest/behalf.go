package ingest

import (
	"github.com/ausbizconsulting/referral-fhir-server/schemas/bundle"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// onBehalf holds the requester of a new request against who calls: where it is of another organisation, that is worth a
// warning, and refused of a client that sends for its own organisation alone. It returns issues and what is to be said
// besides.
func onBehalf(p principal.Principal, b fhir.Bundle, issues []fhir.Issue) ([]fhir.Issue, error) {
	known := referral.NewAddressees(b, b.Links(), nil)
	for i, entry := range b.Entries {
		if !bundle.IsNewRequest(b.Type, entry) {
			continue
		}
		requester := known.Requester(i)
		if requester == "" || requester == p.Org {
			continue
		}
		place := b.Expression(i, "resource", "requester")
		if p.OwnRequests {
			return nil, fhir.NewError(fhir.CodeForbidden, place, "This client sends requests of its own organisation only, and the requester is of another one")
		}
		issues = append(issues, fhir.Issue{
			Severity: fhir.SeverityWarning, Code: fhir.CodeBusinessRule, Rule: "requester-caller", Source: fhir.OwnRules, Expression: place,
			Details: "The requester is of another organisation than the one that sends this, which is its sender and the one that is told how it goes on",
		})
	}
	return issues, nil
}
