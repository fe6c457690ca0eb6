package ingest

import (
	"github.com/ausbizconsulting/referral-fhir-server/schemas/bundle"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// parties holds whom a submission is from, and for, against who calls and who is known here. It returns issues and what is
// to be said besides.
func (s *Server) parties(p principal.Principal, b fhir.Bundle, issues []fhir.Issue) ([]fhir.Issue, error) {
	known := referral.NewAddressees(b, b.Links(), nil)
	issues, err := onBehalf(p, b, known, issues)
	if err != nil || s.Knows == nil {
		return issues, err
	}
	told := map[string]bool{}
	for i, entry := range b.Entries {
		if entry.Resource == nil {
			continue
		}
		orgs, err := known.Of(i)
		if err != nil {
			return nil, err
		}
		for _, org := range orgs {
			if told[org] || s.Knows(org) {
				continue
			}
			told[org] = true
			issues = append(issues, fhir.Issue{
				Severity: fhir.SeverityWarning, Code: fhir.CodeBusinessRule, Rule: "recipient-known", Source: fhir.OwnRules, Expression: b.Expression(i, "resource"),
				Details: "This is addressed to an organisation that is no client of this server: nobody there can read it until it is. Send it another way, too",
			})
		}
	}
	return issues, nil
}

// onBehalf holds the requester of a new request against who calls: where it is of another organisation, that is worth a
// warning, and refused of a client that sends for its own organisation alone.
func onBehalf(p principal.Principal, b fhir.Bundle, known *referral.Addressees, issues []fhir.Issue) ([]fhir.Issue, error) {
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
