package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Reduce makes of an error of the driver one of the package.
var Reduce = reduce

// The statements of Read, Submission, Versions, History, Standing, Original, Writes, Everything and of claims; SQL is that of Search.
const (
	ReadSQL          = readSQL
	SubmissionSQL    = submissionSQL
	ContentsSQL      = contentsSQL
	CountVersionsSQL = countVersionsSQL
	HistorySQL       = historySQL
	PaceSQL          = paceSQL
	OriginalSQL      = originalSQL
	WritesSQL        = writesSQL
	EverythingSQL    = everythingSQL
	HoldOpenSQL      = holdOpenSQL
	OpenSQL          = openSQL
	TakenSQL         = takenSQL
	SharedSQL        = sharedSQL
	OpenSendersSQL   = openSendersSQL
	ClosedSQL        = closedSQL
)

func (s Search) SQL(org string) (string, []any) { return s.sql(org) }

// CountSQL and PageSQL are the statements of List.
func (l List) CountSQL(org string) (string, []any) { return l.countSQL(org) }
func (l List) PageSQL(org string) (string, []any)  { return l.pageSQL(org) }

// WithoutTenantRule is query without what it says of organisations itself: row-level security is left.
func WithoutTenantRule(query string) string {
	query = strings.ReplaceAll(query, isOpen, "true")
	query = strings.ReplaceAll(query, mayRead, "($1::text is not null)")
	query = strings.ReplaceAll(query, "where "+mayList, "where $1::text is not null")
	return strings.ReplaceAll(query, maySee, "($1::text is not null)")
}

// SubmissionByPolicy is Submission without what its statement says of organisations.
func (db *DB) SubmissionByPolicy(ctx context.Context, org string, d referral.Digest) (Submission, bool, error) {
	return db.submission(ctx, WithoutTenantRule(submissionSQL), org, d)
}

// As runs query for org and returns how many rows it saw.
func (db *DB) As(ctx context.Context, org, query string, args []any) (seen int, err error) {
	err = db.as(ctx, org, query, args, func(rows pgx.Rows) error {
		for rows.Next() {
			seen++
		}
		return nil
	})
	return seen, err
}

// FillByPolicy is As with the statement of s, without what that says of organisations, and with its group.
func (db *DB) FillByPolicy(ctx context.Context, org string, s Search) (seen int, err error) {
	query, args := s.sql(org)
	err = db.run(ctx, statement{org, fillSQL, []any{s.Fill}, nil}, statement{org, WithoutTenantRule(query), args, func(rows pgx.Rows) error {
		for rows.Next() {
			seen++
		}
		return nil
	}})
	return seen, err
}

// SettleStalled is Settle that calls stall before it commits.
func (db *DB) SettleStalled(ctx context.Context, s *Settlement, stall func()) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer release(conn)
	if err := within(ctx, conn, s.Org, true, settling([]*Settlement{s}, make([]bool, 1))...); err != nil {
		return err
	}
	stall()
	_, err = conn.Exec(ctx, "commit")
	return err
}

// NeverLook lets those who Await look only when they are told to. It is called before anybody does.
func (db *DB) NeverLook() {
	db.listener.polling = rhythm{time.Hour, time.Hour}
	db.listener.silent = db.listener.polling
}

// LooksWhenItJoins tells whether one who begins to listen now looks at once.
func (db *DB) LooksWhenItJoins() bool {
	w := db.listener.join("")
	defer db.listener.leave(w)
	return len(w.look) > 0
}
