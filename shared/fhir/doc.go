// Package fhir holds what every part of the server shares of FHIR R4 (4.0.1): the strict JSON gate and the
// document it yields, references, issues and OperationOutcome, and the coded error that decides both an HTTP
// status and whether a message is delivered again.
//
// It promises that a document which passed Parse means one thing only: no duplicate names, no invalid text, no
// number that another reader would round or expand, and that nothing of its content, names that R4 does not know
// included, shows in an error or when a value is formatted or logged. It leaves types, profiles and rules to package
// schemas, and HTTP to package fhirhttp.
package fhir
