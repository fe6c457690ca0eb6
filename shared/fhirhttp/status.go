package fhirhttp

import (
	"net/http"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// statuses is the one table from issue type to HTTP status (FHIR R4 http.html#Status-Codes: 400 for what cannot be
// parsed or breaks basic rules, 422 for profiles and business rules).
var statuses = map[fhir.Code]int{
	fhir.CodeInvalid:      http.StatusBadRequest,
	fhir.CodeStructure:    http.StatusBadRequest,
	fhir.CodeValue:        http.StatusBadRequest,
	fhir.CodeTooCostly:    http.StatusBadRequest,
	fhir.CodeLogin:        http.StatusUnauthorized,
	fhir.CodeExpired:      http.StatusUnauthorized,
	fhir.CodeSecurity:     http.StatusUnprocessableEntity,
	fhir.CodeForbidden:    http.StatusForbidden,
	fhir.CodeNotFound:     http.StatusNotFound,
	fhir.CodeDeleted:      http.StatusGone,
	fhir.CodeMultiple:     http.StatusPreconditionFailed,
	fhir.CodeConflict:     http.StatusConflict,
	fhir.CodeDuplicate:    http.StatusConflict,
	fhir.CodeTooLong:      http.StatusRequestEntityTooLarge,
	fhir.CodeRequired:     http.StatusUnprocessableEntity,
	fhir.CodeInvariant:    http.StatusUnprocessableEntity,
	fhir.CodeCodeInvalid:  http.StatusUnprocessableEntity,
	fhir.CodeExtension:    http.StatusUnprocessableEntity,
	fhir.CodeBusinessRule: http.StatusUnprocessableEntity,
	fhir.CodeNotSupported: http.StatusUnprocessableEntity,
	fhir.CodeThrottled:    http.StatusTooManyRequests,
	fhir.CodeTransient:    http.StatusServiceUnavailable,
	fhir.CodeException:    http.StatusInternalServerError,
}

// Status returns the HTTP status of e: its own, else that of its failing issues, where 400 outweighs 422 since a
// document that is not FHIR cannot break a rule, and 500 when no issue fails or its code is not in the table. A rule
// of a profile or of this server is broken with 422, whatever the code.
func Status(e *fhir.Error) int {
	if e.Status != 0 {
		return e.Status
	}
	status := 0
	for _, issue := range e.Issues {
		if !issue.Fails() {
			continue
		}
		s, ok := statuses[issue.Code]
		switch {
		case !ok:
			s = http.StatusInternalServerError
		case issue.Rule != "":
			s = http.StatusUnprocessableEntity
		}
		if status == 0 || s == http.StatusBadRequest && status == http.StatusUnprocessableEntity {
			status = s
		}
	}
	if status == 0 {
		return http.StatusInternalServerError
	}
	return status
}
