// Package schemas checks documents against the published definitions of FHIR R4 (4.0.1).
//
// Check promises that every element of a resource, of what it contains and of every resource in a Bundle or
// Parameters is known, present where the standard requires it, of the right JSON type and shape, well-formed (dates
// are real, codes of small required lists are in them) and that a choice such as value[x] stands once. It names
// where and why in FHIR's vocabulary, one issue for one fault, never the value found.
//
// It expects a document that passed fhir.Parse, which has dealt with nulls, empties, pairs of arrays and sizes. It
// asks package profile for the rules of the profiles that are claimed or named and of the extensions, and package
// bundle for references and the referral as a whole; what a server accepts beyond that is left to ingest.
package schemas
