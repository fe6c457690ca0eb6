package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// Hold keeps what it is on from being removed, for a court, a coroner, a complaint or a claim.
type Hold struct {
	Number    int64      `json:"number"`
	Kind      string     `json:"kind"`              // patient, organisation or submission
	Org       string     `json:"org"`               // whose it is, or that is held as a whole
	Subject   string     `json:"subject,omitempty"` // id of the Patient, or hexadecimal digest of the submission; empty: the organisation
	Reason    string     `json:"reason"`
	PlacedBy  string     `json:"placedBy"`
	PlacedAt  time.Time  `json:"placedAt"`
	LiftedBy  string     `json:"liftedBy,omitempty"`
	LiftedAt  *time.Time `json:"liftedAt,omitempty"` // nil: it stands
	LiftedFor string     `json:"liftedFor,omitempty"`
}

// entity is what the audit calls it.
func (h Hold) entity() string {
	switch h.Kind {
	case "patient":
		return "Patient/" + h.Subject
	case "submission":
		return "submission/" + h.Subject
	}
	return "Organization/" + h.Org
}

const (
	holdColumns = `number, kind, org, subject, reason, placed_by, placed_at, coalesce(lifted_by, ''), lifted_at, coalesce(lifted_for, '')`

	// placeSQL finds whose a patient or a submission is; of what is not here, or is removed, it places none.
	placeSQL = `
insert into retention_hold (kind, org, subject, reason, placed_by)
select $1, o.org, $3, $4, $5 from (
	select $2 as org where $1 = 'organisation'
	union select r.org from resource r where r.type = 'Patient' and r.id = case $1 when 'patient' then $3::text::uuid end
	union select h.org from history h where h.type = 'Patient' and not h.deleted and h.id = case $1 when 'patient' then $3::text::uuid end
	union select s.org from submission s where s.bundle_type <> 'removed' and s.d = case $1 when 'submission' then decode($3, 'hex') end
) o returning ` + holdColumns

	liftSQL = `
update retention_hold set lifted_by = $2, lifted_at = clock_timestamp(), lifted_for = $3
where number = $1 and lifted_at is null returning ` + holdColumns

	holdsSQL = `select ` + holdColumns + ` from retention_hold where $1 or lifted_at is null order by number`

	// heldSQL tells whether a hold is on an organisation, a patient or a submission of a record.
	heldSQL = `
select exists (select from retention_hold h where h.lifted_at is null and (
	h.kind = 'organisation' and h.org = any ($1::text[])
	or h.kind = 'patient' and h.subject = any ($2::text[])
	or h.kind = 'submission' and h.subject = any ($3::text[])))`
)

// holdLock is had alone by who places a hold, and shared by who removes: when Place returns, what it is on stays.
const holdLock = "retention-hold"

// ErrNoHold says that no hold that stands has the number, ErrNothingToHold that what a hold would be on is not here.
var (
	ErrNoHold        = errors.New("there is no such hold, or it was lifted")
	ErrNothingToHold = errors.New("there is nothing of that id here")
)

// Place puts a hold, of which Kind and Subject say on what, or Org on which organisation; Operator and Reason are the
// operation's, and the audit has them. Errors are ErrNothingToHold and those of the package.
func (db *DB) Place(ctx context.Context, h Hold, o Operation) (Hold, error) {
	placed, err := db.hold(ctx, "C", o, placeSQL, h.Kind, h.Org, h.Subject, o.Reason, o.Operator)
	if errors.Is(err, ErrNoHold) {
		return Hold{}, ErrNothingToHold
	}
	return placed, err
}

// Lift ends a hold. Errors are ErrNoHold and those of the package.
func (db *DB) Lift(ctx context.Context, number int64, o Operation) (Hold, error) {
	return db.hold(ctx, "U", o, liftSQL, number, o.Operator, o.Reason)
}

func (db *DB) hold(ctx context.Context, action string, o Operation, query string, args ...any) (h Hold, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, search.LockHash(holdLock)); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		if h, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Hold]); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, operatedSQL, h.Org, o.Operator, action, h.entity(), o.Reason)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Hold{}, ErrNoHold
	}
	return h, reduce("hold", err)
}

// Holds returns those that stand, or all that were ever placed, in the order of their numbers. Errors are those of the
// package.
func (db *DB) Holds(ctx context.Context, all bool) ([]Hold, error) {
	return queryAll[Hold](ctx, db, holdsSQL, all)
}
