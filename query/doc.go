// Package query answers what callers ask about submissions and resources: the status of a submission, reads, histories
// and searches of FHIR, $everything, the CapabilityStatement and the OpenAPI description, referrals as plain JSON and
// what was sent as it was sent.
//
// It promises that a caller sees only what its organisation sent or was addressed, that what is not the caller's is
// answered exactly as what is not there, and that the status of a genuine submission is never 404, with or without
// the store. It writes nothing but that a sender cancelled what had not settled, and sends nothing to the queue, of
// whose package it only knows how a body was packed; who may see a row is decided in package postgres.
package query
