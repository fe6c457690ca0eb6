package fhir

import (
	"errors"
	"strings"
)

// Severity is OperationOutcome.issue.severity (FHIR R4 valueset-issue-severity.html).
type Severity string

// The severities of FHIR R4.
const (
	SeverityFatal       Severity = "fatal"
	SeverityError       Severity = "error"
	SeverityWarning     Severity = "warning"
	SeverityInformation Severity = "information"
)

// Code is OperationOutcome.issue.code (FHIR R4 valueset-issue-type.html).
type Code string

// The issue types that this server uses.
const (
	CodeInvalid       Code = "invalid"
	CodeStructure     Code = "structure"
	CodeRequired      Code = "required"
	CodeValue         Code = "value"
	CodeInvariant     Code = "invariant"
	CodeSecurity      Code = "security"
	CodeLogin         Code = "login"
	CodeExpired       Code = "expired"
	CodeForbidden     Code = "forbidden"
	CodeNotSupported  Code = "not-supported"
	CodeDuplicate     Code = "duplicate"
	CodeNotFound      Code = "not-found"
	CodeDeleted       Code = "deleted"
	CodeMultiple      Code = "multiple-matches"
	CodeTooLong       Code = "too-long"
	CodeCodeInvalid   Code = "code-invalid"
	CodeExtension     Code = "extension"
	CodeTooCostly     Code = "too-costly"
	CodeBusinessRule  Code = "business-rule"
	CodeConflict      Code = "conflict"
	CodeTransient     Code = "transient"
	CodeException     Code = "exception"
	CodeThrottled     Code = "throttled"
	CodeInformational Code = "informational"
)

// transient is the branch of the issue-type code system whose members say that the same message may work later.
var transient = map[Code]bool{
	CodeTransient: true, "lock-error": true, "no-store": true, CodeException: true,
	"timeout": true, "incomplete": true, CodeThrottled: true,
}

// Transient tells whether the same request or message may succeed later (the "transient" branch of issue-type).
func (c Code) Transient() bool { return transient[c] }

// Issue is one OperationOutcome.issue. Details is a sentence for a person and never holds a value of the document;
// Expression is the FHIRPath of the element, such as Bundle.entry[3].resource.identifier[0].value, or empty.
type Issue struct {
	Severity   Severity
	Code       Code
	Details    string
	Expression string
	// Rule is the key of the rule that was broken, such as au-core-pat-01, and Source the canonical URL of the
	// definition that states it; both empty for what follows from JSON or HTTP alone.
	Rule, Source string
}

// OwnRules is the Source of rules that are this server's and no published definition's.
const OwnRules = "https://github.com/ausbizconsulting/referral-fhir-server/rules"

// Fails tells whether the issue stops the request.
func (i Issue) Fails() bool { return i.Severity == SeverityError || i.Severity == SeverityFatal }

// Error is a failure that may be described to a client. Issues are OperationOutcome.issue
// (FHIR R4 operationoutcome.html); they name where (Expression) and why (Code), never the value found there.
type Error struct {
	Issues []Issue // at least one
	// Status is the HTTP status where the first failing issue's code does not decide it, such as 422 for a
	// reference that leads nowhere (code not-found); 0 leaves it to the table in package fhirhttp.
	Status int
	Err    error // cause, for operators only; may be nil
}

// NewError returns an error of one issue with severity error.
func NewError(code Code, expression, details string) *Error {
	return &Error{Issues: []Issue{{Severity: SeverityError, Code: code, Details: details, Expression: expression}}}
}

// WithStatus sets the HTTP status and returns e.
func (e *Error) WithStatus(status int) *Error {
	e.Status = status
	return e
}

// WithCause sets the operator's cause and returns e.
func (e *Error) WithCause(err error) *Error {
	e.Err = err
	return e
}

// Error names the codes and expressions of the issues and the cause; it is for logs, and free of patient data as
// long as the cause is.
func (e *Error) Error() string {
	var b strings.Builder
	for i, issue := range e.Issues {
		if i == 3 {
			b.WriteString(" …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(issue.Code))
		if issue.Expression != "" {
			b.WriteString(" at " + issue.Expression)
		}
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the operator's cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code that decides what happens after err: that of the first failing issue of an *Error in
// err's chain, else exception, which lies in the transient branch: 500 outside, another delivery inside.
func CodeOf(err error) Code {
	var e *Error
	if !errors.As(err, &e) {
		return CodeException
	}
	for _, issue := range e.Issues {
		if issue.Fails() {
			return issue.Code
		}
	}
	return CodeException
}
