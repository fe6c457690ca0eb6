package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Submission is what a submission came to. One Bundle may be addressed to several organisations: each sees of it only
// what it may read of its resources, and of the organisations only the sender and itself.
type Submission struct {
	Org        string // of the sender
	Digest     referral.Digest
	AcceptedAt time.Time
	State      referral.State
	SettledAt  time.Time
	Attempts   int
	Readers    []string          // organisations that any of it is addressed to; for one of them itself alone
	BundleType string            // or the interaction: create, update, patch or delete
	Patient    string            // Patient/id; this and the next three may be empty, and are for who may not read what they are of
	Service    string            // what is asked for or told, in the sender's words
	Priority   string            // FHIR R4 request-priority
	Authored   string            // FHIR R4 dateTime as the sender wrote it
	Resources  []string          // Type/id/_history/version, in the order of the Bundle's entries; for a reader those it may read
	Outcome    string            // OperationOutcome, or empty; this and the next two are for the sender alone
	Answers    []referral.Answer // as in Settlement
	Return     referral.Return
}

// The parts of a statement that returns submissions s: maySee is the tenant rule for the organisation $1, which
// row-level security repeats. A reader is given what follows from the resources v that it may read; who reads the
// request knows its subject, too.
const (
	maySee = `(s.org = $1 or s.readers @> array[$1])`

	submissionColumns = `
	s.org, s.d, s.accepted_at, s.state, s.settled_at, s.attempts, s.bundle_type,
	case when s.org = $1 then s.readers else array[$1] end,
	case when s.org = $1 or v.names && array[s.request, s.patient] then coalesce(s.patient, '') else '' end,
	case when s.org = $1 or s.request = any (v.names) then coalesce(s.service, '') else '' end,
	case when s.org = $1 or s.request = any (v.names) then coalesce(s.priority, '') else '' end,
	case when s.org = $1 or s.request = any (v.names) then coalesce(s.authored, '') else '' end,
	case when s.org = $1 then coalesce(s.outcome, '') else '' end,
	case when s.org = $1 then s.resources else coalesce(v.versions, '{}') end,
	case when s.org = $1 then coalesce(s.answers, '') else '' end,
	case when s.org = $1 then coalesce(s."return", '') else '' end`

	readableSQL = `
cross join lateral (
	select array_agg(u.version order by u.position) as versions, array_agg(split_part(u.version, '/_history/', 1)) as names
	from unnest(s.resources) with ordinality u(version, position)` + readableVersion + `
	where s.org <> $1
) v`

	// readableVersion keeps of versions u, by name, those that $1 may read, superseded or not. A lateral subquery with a
	// limit is not merged into the query around it: each is looked up by its id, whatever the statistics say.
	readableVersion = `
	cross join lateral (select split_part(u.version, '/', 2)::uuid as id, split_part(u.version, '/', 4)::int4 as version) n
	cross join lateral (
		(select 1 from resource r where r.id = n.id and r.version = n.version and ` + mayRead + ` limit 1)
		union all
		(select 1 from history r where r.id = n.id and r.version = n.version and ` + mayRead + ` limit 1)
		limit 1
	) r`

	submissionSQL = `
select` + submissionColumns + `
from submission s` + readableSQL + `
where s.d = $2 and ` + maySee

	statesSQL = `select d, state from submission where org = $1 and d = any($2)`
)

// scan reads submissionColumns, and more behind them, from the current row.
func (s *Submission) scan(rows pgx.Rows, more ...any) error {
	var digest []byte
	var answers string
	if err := rows.Scan(append([]any{&s.Org, &digest, &s.AcceptedAt, &s.State, &s.SettledAt, &s.Attempts, &s.BundleType,
		&s.Readers, &s.Patient, &s.Service, &s.Priority, &s.Authored, &s.Outcome, &s.Resources, &answers, &s.Return}, more...)...); err != nil {
		return err
	}
	copy(s.Digest[:], digest)
	if answers != "" && json.Unmarshal([]byte(answers), &s.Answers) != nil {
		return errors.New("the answers of a submission cannot be read") // the cause may quote them
	}
	return nil
}

// Submission returns the submission with digest d that org sent or is addressed by; found is false for any other and
// for one that has no row yet. Errors are those of the package.
func (db *DB) Submission(ctx context.Context, org string, d referral.Digest) (s Submission, found bool, err error) {
	return db.submission(ctx, submissionSQL, org, d)
}

// States returns the states of those submissions with one of the digests that org sent and that have a row. Errors are
// those of the package.
func (db *DB) States(ctx context.Context, org string, digests []referral.Digest) (map[referral.Digest]referral.State, error) {
	wanted := make([][]byte, len(digests))
	for i := range digests {
		wanted[i] = digests[i][:]
	}
	states := map[referral.Digest]referral.State{}
	err := db.as(ctx, org, statesSQL, []any{org, wanted}, func(rows pgx.Rows) error {
		var digest []byte
		var state referral.State
		_, err := pgx.ForEachRow(rows, []any{&digest, &state}, func() error {
			states[referral.Digest(digest)] = state
			return nil
		})
		return err
	})
	if err != nil {
		return nil, reduce("submission states", err)
	}
	return states, nil
}

func (db *DB) submission(ctx context.Context, query, org string, d referral.Digest) (s Submission, found bool, err error) {
	err = db.run(ctx, s.find(query, org, d, &found))
	if err != nil {
		return Submission{}, false, reduce("submission", err)
	}
	return s, found, nil
}

// find is the statement that reads s.
func (s *Submission) find(query, org string, d referral.Digest, found *bool) statement {
	return statement{org, query, []any{org, d[:]}, func(rows pgx.Rows) error {
		for rows.Next() {
			*found = true
			if err := s.scan(rows); err != nil {
				return err
			}
		}
		return nil
	}}
}
