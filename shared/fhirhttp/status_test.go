package fhirhttp_test

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

func TestStatus(t *testing.T) {
	for code, want := range map[fhir.Code]int{
		fhir.CodeInvalid: 400, fhir.CodeStructure: 400, fhir.CodeValue: 400, fhir.CodeTooCostly: 400,
		fhir.CodeLogin: 401, fhir.CodeForbidden: 403, fhir.CodeNotFound: 404,
		fhir.CodeConflict: 409, fhir.CodeDuplicate: 409, fhir.CodeTooLong: 413,
		fhir.CodeRequired: 422, fhir.CodeInvariant: 422, fhir.CodeSecurity: 422, fhir.CodeCodeInvalid: 422,
		fhir.CodeExtension: 422, fhir.CodeBusinessRule: 422, fhir.CodeNotSupported: 422,
		fhir.CodeThrottled: 429, fhir.CodeTransient: 503, fhir.CodeException: 500, "lock-error": 500, "": 500,
	} {
		if got := fhirhttp.Status(fhir.NewError(code, "", "")); got != want {
			t.Errorf("code %q: got %d, want %d", code, got, want)
		}
	}
}

func TestStatusOfManyIssues(t *testing.T) {
	fails := func(code fhir.Code) fhir.Issue { return fhir.Issue{Severity: fhir.SeverityError, Code: code} }
	warns := func(code fhir.Code) fhir.Issue { return fhir.Issue{Severity: fhir.SeverityWarning, Code: code} }
	for _, test := range []struct {
		name string
		err  fhir.Error
		want int
	}{
		{"400 outweighs 422", fhir.Error{Issues: []fhir.Issue{fails(fhir.CodeRequired), fails(fhir.CodeInvariant), fails(fhir.CodeValue)}}, 400},
		{"422 after 400", fhir.Error{Issues: []fhir.Issue{fails(fhir.CodeStructure), fails(fhir.CodeRequired)}}, 400},
		{"the first failing decides", fhir.Error{Issues: []fhir.Issue{fails(fhir.CodeConflict), fails(fhir.CodeValue)}}, 409},
		{"warnings do not count", fhir.Error{Issues: []fhir.Issue{warns(fhir.CodeStructure), fails(fhir.CodeRequired)}}, 422},
		{"fatal fails", fhir.Error{Issues: []fhir.Issue{{Severity: fhir.SeverityFatal, Code: fhir.CodeStructure}}}, 400},
		{"only warnings", fhir.Error{Issues: []fhir.Issue{warns(fhir.CodeStructure)}}, 500},
		{"no issues", fhir.Error{}, 500},
		{"its own", fhir.Error{Status: 422, Issues: []fhir.Issue{fails(fhir.CodeNotFound)}}, 422},
	} {
		if got := fhirhttp.Status(&test.err); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}
