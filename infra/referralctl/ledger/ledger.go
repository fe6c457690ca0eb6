// Package ledger holds what ingest accepted, by the lines of its log, against what the store knows of it.
//
// It promises that a line is taken for an accepted submission only if ingest wrote it about a request that it put on the
// queue for good; whether the id is one that ingest has made is for the keys to tell.
package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// Name names a submission: the organisation that sent it and its digest.
type Name struct {
	Org    string
	Digest referral.Digest
}

// Entry is a submission that a line says was accepted.
type Entry struct{ ID, Org, RequestID string }

// Parse returns the entry of a line of ingest's log, or of the server's, or nil for a line that has none; and how many lines
// are missing, by what it says. Text before the line's JSON, as CloudWatch exports it, is no matter.
func Parse(line []byte) (e *Entry, dropped int) {
	start := bytes.IndexByte(line, '{')
	if start < 0 {
		return nil, 0
	}
	var l struct {
		Msg, Route, Org, Submission, RequestID string
		Status, Lines                          int
	}
	switch {
	case json.Unmarshal(line[start:], &l) != nil:
		return nil, 0
	case l.Msg == telemetry.LinesDropped:
		return nil, max(1, l.Lines)
	case l.Msg != "request" || l.Status/100 != 2 || l.Submission == "":
		return nil, 0
	case strings.HasPrefix(l.Route, "GET ") || strings.Contains(l.Route, "/_status/"): // it asks how one stands
		return nil, 0
	}
	return &Entry{ID: l.Submission, Org: l.Org, RequestID: l.RequestID}, 0
}

// States returns the states of those submissions that the store knows; it asks once for each organisation. Errors are those
// of package postgres.
func States(ctx context.Context, store *postgres.DB, names []Name) (map[Name]referral.State, error) {
	byOrg := map[string][]referral.Digest{}
	for _, n := range names {
		byOrg[n.Org] = append(byOrg[n.Org], n.Digest)
	}
	known := map[Name]referral.State{}
	for org, digests := range byOrg {
		states, err := store.States(ctx, org, digests)
		if err != nil {
			return nil, err
		}
		for d, state := range states {
			known[Name{org, d}] = state
		}
	}
	return known, nil
}
