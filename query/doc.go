// Package query answers what callers ask about submissions and resources: the status of a submission, reads and
// searches of FHIR, the CapabilityStatement, and referrals as plain JSON.
//
// It promises that a caller sees only what its organisation sent or was addressed, that what is not the caller's is
// answered exactly as what is not there, and that the status of a genuine submission is never 404, with or without
// the store. It writes nothing and knows no queue; who may see a row is decided in package postgres.
package query
