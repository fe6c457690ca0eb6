package answer

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// issuesOf reads an OperationOutcome back; nil for what is none.
func issuesOf(outcome []byte) []fhir.Issue {
	o, err := fhir.Parse(outcome, "OperationOutcome", fhir.Limits{})
	if err != nil {
		return nil
	}
	var issues []fhir.Issue
	items := o.Get("issue").Items()
	for i := range items {
		coding := items[i].At("details", "coding")
		issues = append(issues, fhir.Issue{
			Severity: fhir.Severity(items[i].Get("severity").Text()), Code: fhir.Code(items[i].Get("code").Text()),
			Details: items[i].At("details", "text").Text(), Expression: first(items[i].Get("expression")).Text(),
			Rule: coding.At("code").Text(), Source: coding.At("system").Text(),
		})
	}
	return issues
}

// first is the first element of an array.
func first(v *fhir.Value) *fhir.Value {
	if items := v.Items(); v.Kind() == fhir.Array && len(items) > 0 {
		return &items[0]
	}
	return nil
}

// rejectedStatus returns the 4xx of a rejected submission whose outcome is all that is known of it.
func rejectedStatus(outcome string) int {
	if issues := issuesOf([]byte(outcome)); issues != nil {
		if status := fhirhttp.Status(&fhir.Error{Issues: issues}); status < http.StatusInternalServerError {
			return status
		}
	}
	return http.StatusUnprocessableEntity
}

// told returns an OperationOutcome of what was done, with what there is to say besides.
func told(a referral.Answer) json.RawMessage {
	resource, number, _ := strings.Cut(a.Version, "/_history/")
	if resource == "" {
		resource = "The resource"
	}
	details := resource + " was not changed."
	switch a.Status {
	case http.StatusOK:
		details = resource + " has been written or found: it is version " + number + "."
	case http.StatusCreated:
		details = resource + " was created."
	case http.StatusNoContent:
		details = resource + " was deleted, or was not there."
	}
	return fhir.Outcome(append(issuesOf(a.Outcome), fhir.Issue{
		Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Details: details,
	}))
}

// failed returns the OperationOutcome of a request that failed, also when none was kept.
func failed(a referral.Answer) json.RawMessage {
	if a.Outcome != nil {
		return a.Outcome
	}
	code := fhir.CodeInvalid
	switch a.Status {
	case http.StatusNotFound:
		code = fhir.CodeNotFound
	case http.StatusGone:
		code = fhir.CodeDeleted
	case http.StatusConflict, http.StatusPreconditionFailed:
		code = fhir.CodeConflict
	case http.StatusMethodNotAllowed:
		code = fhir.CodeNotSupported
	case http.StatusUnprocessableEntity:
		code = fhir.CodeBusinessRule
	}
	return fhir.Outcome([]fhir.Issue{{Severity: fhir.SeverityError, Code: code, Details: "The request was not carried out."}})
}

func cancelled() json.RawMessage {
	return fhir.Outcome([]fhir.Issue{{
		Severity: fhir.SeverityError, Code: fhir.CodeDeleted, Details: "The sender cancelled the submission before it had settled.",
	}})
}

// leftOut says in place of a resource that the answer would be too large with it.
func leftOut() json.RawMessage {
	return fhir.Outcome([]fhir.Issue{{
		Severity: fhir.SeverityWarning, Code: fhir.CodeTooCostly,
		Details: "The resource is left out, since the answer would be too large with it: read it at its location.",
	}})
}

// matchesLeftOut says so of some that a search found.
func matchesLeftOut() json.RawMessage {
	return fhir.Outcome([]fhir.Issue{{
		Severity: fhir.SeverityWarning, Code: fhir.CodeTooCostly,
		Details: "Not all that was found is here, since the answer would be too large with it: search by GET, page by page.",
	}})
}

// unsaid stands for an OperationOutcome that the answer would be too large with.
func unsaid() json.RawMessage {
	return fhir.Outcome([]fhir.Issue{{
		Severity: fhir.SeverityWarning, Code: fhir.CodeTooCostly,
		Details: "The issues are left out, since the answer would be too large with them: send fewer entries at once.",
	}})
}
