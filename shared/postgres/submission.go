package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Submission is what a submission came to.
type Submission struct {
	Org        string // of the sender
	Digest     referral.Digest
	AcceptedAt time.Time
	State      referral.State
	SettledAt  time.Time
	Attempts   int
	Readers    []string // organisations that any of it is addressed to
	BundleType string
	Patient    string // Patient/id; this and the next two may be empty
	Service    string // what is asked for, in the sender's words
	Priority   string
	Resources  []string // Type/id/_history/version, in the order of the Bundle's entries; for a reader those it may read
	Outcome    string   // OperationOutcome, or empty
}

const submissionSQL = `
select s.org, s.d, s.accepted_at, s.state, s.settled_at, s.attempts, s.readers, s.bundle_type,
	coalesce(s.patient, ''), coalesce(s.service, ''), coalesce(s.priority, ''), coalesce(s.outcome, ''),
	case when s.org = $1 then s.resources else array(
		select u.version
		from unnest(s.resources) with ordinality u(version, position)
		cross join lateral (select from resource r where r.id = split_part(u.version, '/', 2)::uuid and ` + mayRead + ` limit 1) r
		order by u.position
	) end
from submission s
where s.d = $2 and (s.org = $1 or s.readers @> array[$1])`

// Submission returns the submission with digest d that org sent or is addressed by; found is false for any other and
// for one that has no row yet. Errors are those of the package.
func (db *DB) Submission(ctx context.Context, org string, d referral.Digest) (s Submission, found bool, err error) {
	err = db.as(ctx, org, submissionSQL, []any{org, d[:]}, func(rows pgx.Rows) error {
		for rows.Next() {
			found = true
			var digest []byte
			if err := rows.Scan(&s.Org, &digest, &s.AcceptedAt, &s.State, &s.SettledAt, &s.Attempts, &s.Readers, &s.BundleType,
				&s.Patient, &s.Service, &s.Priority, &s.Outcome, &s.Resources); err != nil {
				return err
			}
			copy(s.Digest[:], digest)
		}
		return nil
	})
	if err != nil {
		return Submission{}, false, reduce("submission", err)
	}
	return s, found, nil
}
