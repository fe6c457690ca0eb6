package postgres

import "context"

// Operation is what an operator did, for the audit.
type Operation struct {
	Operator string // who, such as jane@bastion
	Action   string // AuditEvent.action: E of what is done again, D of what is ended
	Entity   string // what it was done to, such as queue/referrals-dead
	Reason   string
}

// operators are the organisation of what concerns no sender alone.
const operators = "operator"

const operatedSQL = `
insert into audit (org, client, action, outcome, entity, reason) values ($1, $2, $3, '0', $4, $5)`

func (o Operation) of(org string) statement {
	return statement{org, operatedSQL, []any{org, o.Operator, o.Action, o.Entity, o.Reason}, nil}
}

// Operated keeps what an operator does, before it is done. Errors are those of the package.
func (db *DB) Operated(ctx context.Context, o Operation) error {
	return reduce("audit", db.run(ctx, o.of(operators)))
}

// Discard settles s, whose state is referral.Rejected, for good, and keeps who did so and why, in one transaction. It
// changes nothing of a submission that has settled, returns false, and keeps the rest. Errors are as those of Settle.
func (db *DB) Discard(ctx context.Context, s *Settlement, o Operation) (discarded bool, err error) {
	return db.settleWith(ctx, s, "discard", o.of(s.Org))
}
