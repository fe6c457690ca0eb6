package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Pace is how long the submission of an organisation that settled last took from acceptance to settlement. The zero
// Pace says that nothing is known.
type Pace struct {
	SettledAt time.Time
	Took      time.Duration
}

// paceSQL reads the pace where the submission has no row. What the organisation was addressed by says nothing of what
// it sent: each sender's messages have a queue of their own, in effect.
const paceSQL = `
select s.settled_at, extract(epoch from s.settled_at - s.accepted_at)::float8
from (
	select l.* from (
		select l.sender, l.d, l.state, l.settled_at` + listSQL + ` order by l.settled_at desc, l.d desc limit 100
	) l
	where l.sender = $1 and l.state in ('completed', 'rejected')
	order by l.settled_at desc, l.d desc limit 1
) l
cross join lateral (
	select s.settled_at, s.accepted_at from submission s where s.org = l.sender and s.d = l.d and ` + maySee + ` limit 1
) s
where not exists (select from submission s where s.d = $2 and ` + maySee + `)`

// Standing is Submission and, where that is not found, the pace at which what org sends settles. Errors are those of
// the package.
func (db *DB) Standing(ctx context.Context, org string, d referral.Digest) (s Submission, found bool, p Pace, err error) {
	err = db.run(ctx, s.find(submissionSQL, org, d, &found), statement{org, paceSQL, []any{org, d[:]}, func(rows pgx.Rows) error {
		for rows.Next() {
			var seconds float64
			if err := rows.Scan(&p.SettledAt, &seconds); err != nil {
				return err
			}
			p.Took = time.Duration(seconds * float64(time.Second))
		}
		return nil
	}})
	if err != nil {
		return Submission{}, false, Pace{}, reduce("submission", err)
	}
	return s, found, p, nil
}
