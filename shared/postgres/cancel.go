package postgres

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Cancellation is a sender's wish that what it sent does not settle.
type Cancellation struct {
	Org        string
	Digest     referral.Digest
	AcceptedAt time.Time
	Client     string // who cancels, within the organisation
	RequestID  string // of the cancelling
}

// cancelSQL writes the row of a submission before its message comes to do so, which then finds it settled; or it turns
// one that waits for an operator. It keeps no key, so that a corrected one can follow: the hash of the digest is nobody's.
const cancelSQL = `
with s as (
	insert into submission (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts,
		bundle_type, content, encoding, sha256, listed)
	values ($1, $2, $3, 'random', $4, $5, $6, 'cancelled', date_trunc('milliseconds', clock_timestamp()), 1,
		'', '', 'zstd', $7, true)
	on conflict (org, d) do update set
		state = excluded.state, settled_at = excluded.settled_at, key_kind = excluded.key_kind, key = excluded.key
		where submission.state = 'quarantined'
	returning settled_at
), l as (
	insert into listing (org, settled_at, d, sender, state) select $1, s.settled_at, $2, $1, 'cancelled' from s
	on conflict do nothing
)
insert into audit (org, client, action, outcome, entity)
select $1, $5, 'D', '0', 'submission/' || encode($2, 'hex') from s`

const cancelledSQL = `select s.state from submission s where s.org = $1 and s.d = $2`

// Cancel cancels a submission that has not settled, with or without a row, in one transaction, and returns the state
// that it is in then: referral.Cancelled, also when it was cancelled before, or the one that it had settled in. Of a
// Cancel and a Settle at the same time one does it, and the other one finds it done. Who awaits the settlement is told.
// Errors are those of the package.
func (db *DB) Cancel(ctx context.Context, c Cancellation) (state referral.State, err error) {
	key, empty := sha256.Sum256(c.Digest[:]), sha256.Sum256(nil)
	err = db.run(ctx,
		statement{c.Org, cancelSQL, []any{c.Org, c.Digest[:], c.AcceptedAt, key[:], c.Client, c.RequestID, empty[:]}, nil},
		statement{c.Org, cancelledSQL, []any{c.Org, c.Digest[:]}, func(rows pgx.Rows) error {
			state, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[referral.State])
			return err
		}},
		statement{c.Org, `select pg_notify($1, $2)`, []any{channel, settledPayload(c.Org, c.Digest)}, nil})
	if err != nil {
		return "", reduce("cancel", err)
	}
	return state, nil
}
