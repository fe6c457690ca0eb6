package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// RoleRetention removes what need not be kept any more; made by a migration.
const RoleRetention = "referral_retention"

// Retention says how long what is stored is kept. A year is one of the calendar.
type Retention struct {
	Years           int       // a patient's record, after the last that was written of it
	ChildAge        int       // the record of who was born less than that many years ago, as long
	SubmissionYears int       // a submission that left nothing in any record: it was rejected, cancelled, or never settled
	Now             time.Time // the time at which all this is over
}

// The classes of a Record.
const (
	ClassAdult      = "adult"
	ClassChild      = "child"   // the patient was under 18 when the last of it was written
	ClassUnknown    = "unknown" // no date of birth: it is kept as if the patient had been born that day
	ClassSubmission = "submission"
)

// Record is what is removed at once, or kept: all that is about a patient, whoever sent it, with those who are the same
// person by an identifier, or are named together; or a submission that left nothing else. It holds no patient data.
type Record struct {
	Org         string // of what it was found by
	Class       string
	Patient     string    // id of the Patient that it was found by, or the first that it names; empty: none
	Resources   int       // those that are there, and those that were deleted and have versions
	Submissions int       // whose bodies are all about it
	Last        time.Time // when the last of it was written
	Until       time.Time // kept until then
	Held        bool      // by a legal hold
	TooLarge    bool      // more than MaxMatches resources: it is kept, and its numbers are not all

	seed  seed
	about *about // nil: of a submission
}

// Due tells whether r is to be removed at a time.
func (r Record) Due(now time.Time) bool { return !r.Held && !r.TooLarge && !now.Before(r.Until) }

// seed is what a record is found by.
type seed struct {
	id     referral.UUID   // of a resource
	org    string          // or of a submission, with
	digest referral.Digest // its digest
}

// until is when a record of which the last was written at last, of a patient born on that day at the latest, may go.
func (r Retention) until(last, born time.Time) time.Time {
	until := last.AddDate(r.Years, 0, 0)
	if grown := born.AddDate(r.ChildAge, 0, 0); grown.After(until) {
		return grown
	}
	return until
}

const (
	// ofOthers are the types of what is nobody's record: who provides care, and where.
	ofOthers = `('Endpoint', 'HealthcareService', 'Location', 'Organization', 'Practitioner', 'PractitionerRole')`

	// deletedSeedsSQL come before the Patients: what was deleted belongs to a record while its patient is there.
	deletedSeedsSQL = `
select distinct h.id from history h
where h.id > $1 and not h.deleted and h.last_updated < $2 and h.type not in ` + ofOthers + `
	and not exists (select from resource r where r.id = h.id)
order by h.id limit $3`

	patientSeedsSQL = `
select r.id from resource r where r.id > $1 and r.last_updated < $2 and r.type = 'Patient' order by r.id limit $3`

	// leftNothing says of a submission s that no version of what it wrote or found is there any more.
	leftNothing = `s.bundle_type <> 'removed' and not exists (
	select from unnest(s.resources) u(name)
	cross join lateral (select split_part(u.name, '/', 1) as type, split_part(u.name, '/', 2)::uuid as id) n
	where n.type not in ` + ofOthers + ` and (
		exists (select from resource r where r.id = n.id) or exists (select from history h where h.id = n.id and not h.deleted))
)`

	submissionSeedsSQL = `
select s.org, s.d from submission s
where (s.org, s.d) > ($1, $2) and s.settled_at < $3 and ` + leftNothing + `
order by s.org, s.d limit $4`

	seedBatch = 500
)

// Records calls found with each record whose last was written so long ago that it might be over, as it stands in the
// store: due, held, or to be kept for a child's sake. It changes nothing. Errors are those of found and of the package.
func (db *DB) Records(ctx context.Context, p Retention, found func(Record) error) error {
	known := map[referral.UUID]bool{}
	for _, query := range []string{deletedSeedsSQL, patientSeedsSQL} {
		for after := (referral.UUID{}); ; {
			ids, err := queryAll[[16]byte](ctx, db, query, [16]byte(after), p.Now.AddDate(-p.Years, 0, 0), seedBatch)
			if err != nil {
				return err
			}
			for _, id := range ids {
				after = id
				if known[id] {
					continue
				}
				r, err := db.examine(ctx, p, seed{id: id})
				if err != nil {
					return err
				}
				for _, id := range r.ids() {
					known[id] = true
				}
				if r.Resources > 0 {
					if err := found(r); err != nil {
						return err
					}
				}
			}
			if len(ids) < seedBatch {
				break
			}
		}
	}
	return db.submissionRecords(ctx, p, found)
}

func (db *DB) submissionRecords(ctx context.Context, p Retention, found func(Record) error) error {
	type row struct {
		Org    string
		Digest []byte
	}
	for after := (row{}); ; {
		rows, err := queryAll[row](ctx, db, submissionSeedsSQL, after.Org, after.Digest, p.Now.AddDate(-p.SubmissionYears, 0, 0), seedBatch)
		if err != nil {
			return err
		}
		for _, s := range rows {
			after = s
			r, err := db.examine(ctx, p, seed{org: s.Org, digest: referral.Digest(s.Digest)})
			if err != nil {
				return err
			}
			if r.Submissions > 0 {
				if err := found(r); err != nil {
					return err
				}
			}
		}
		if len(rows) < seedBatch {
			return nil
		}
	}
}

// queryAll returns the rows of a query, each a T or, of a struct, its fields.
func queryAll[T any](ctx context.Context, db *DB, query string, args ...any) ([]T, error) {
	rows, err := db.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, reduce("retention", err)
	}
	collect := pgx.RowTo[T]
	if _, scalar := any(*new(T)).([16]byte); !scalar {
		collect = pgx.RowToStructByPos[T]
	}
	all, err := pgx.CollectRows(rows, collect)
	return all, reduce("retention", err)
}

// examine looks at one record, in a transaction that could not write.
func (db *DB) examine(ctx context.Context, p Retention, from seed) (r Record, err error) {
	err = pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		r, err = p.record(ctx, tx, from)
		return err
	})
	return r, reduce("retention", err)
}
