package referral

import (
	"encoding/json"
	"time"
)

// Answer is what became of one request: of an entry of a transaction or batch, or of the submission as a whole. It has
// no content: versions never change, so that whoever shows an answer reads them. Its JSON form is kept in the store.
type Answer struct {
	Status int `json:"status"` // HTTP
	// Version is the one that was written, found or read, as Type/id/_history/version; empty: none.
	Version string `json:"version,omitempty"`
	// LastModified is that of Version; nil where the submission itself wrote it.
	LastModified *time.Time `json:"lastModified,omitempty"`
	// Read says that the resource belongs to the answer whatever is preferred: it was asked for.
	Read bool `json:"read,omitempty"`
	// Matches are the versions that a search found, in their order; nil: it was no search.
	Matches []string `json:"matches,omitzero"`
	// Outcome is an OperationOutcome, or nil.
	Outcome json.RawMessage `json:"outcome,omitempty"`
}

// The preferences of RFC 7240 §4.2 as FHIR R4 http.html#ops has them: what an answer to a write shows of it. The empty
// Return leaves it to the server.
const (
	ReturnMinimal        Return = "minimal"
	ReturnRepresentation Return = "representation"
	ReturnOutcome        Return = "OperationOutcome"
)

// Return is the value of the preference return.
type Return string
