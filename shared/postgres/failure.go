package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Failure is why a submission did not settle.
type Failure struct {
	Org    string
	Digest referral.Digest
	Class  string // as in the message attribute Class of a dead letter
	Code   string // as in Code: an SQLSTATE or a word, never a text of the submission's
}

const failedSQL = `
insert into failure (org, d, tries, class, code) values ($1, $2, 1, $3, $4)
on conflict (org, d) do update set
	tries = failure.tries + 1, class = excluded.class, code = excluded.code, last_at = clock_timestamp()
returning tries`

const forgivenSQL = `update failure set tries = 0 where org = $1 and d = $2`

// Failed counts a failed try to settle a submission, in a transaction of its own, and returns how many there were since it
// was quarantined last. Errors are those of the package: what has nothing of the submission in it could not be written
// either.
func (db *DB) Failed(ctx context.Context, f Failure) (tries int, err error) {
	err = db.as(ctx, f.Org, failedSQL, []any{f.Org, f.Digest[:], f.Class, f.Code}, func(rows pgx.Rows) (err error) {
		tries, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
		return err
	})
	return tries, reduce("count failure", err)
}

// Quarantine shows s, whose state is referral.Quarantined, as one that waits for an operator, and begins to count its
// tries anew. It changes nothing and returns false when the submission has settled. Errors are as those of Settle.
func (db *DB) Quarantine(ctx context.Context, s *Settlement) (quarantined bool, err error) {
	return db.settleWith(ctx, s, "quarantine", statement{s.Org, forgivenSQL, []any{s.Org, s.Digest[:]}, nil})
}

// settleWith settles s and runs another statement in the same transaction.
func (db *DB) settleWith(ctx context.Context, s *Settlement, operation string, with statement) (bool, error) {
	settled := make([]bool, 1)
	err := persist(ctx, func() error {
		return reduce(operation, db.run(ctx, append(settling([]*Settlement{s}, settled), with)...))
	})
	return err == nil && settled[0], err
}
