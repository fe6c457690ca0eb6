package postgres

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// List asks for submissions that an organisation sent or is addressed by. Those without a row, which are accepted and
// neither settled nor quarantined, are in no list.
type List struct {
	States     []referral.State // any of them; empty: all
	Priorities []string         // any of them, as far as the organisation may know; empty: whatever it is
	Sender     string           // empty: whoever
	Addressee  string           // as far as the organisation may know; empty: whoever
	Since      time.Time        // settled then or later; zero: whenever
	After      Place            // the zero Place: from the newest on
	Count      int              // at most
}

// Place is where a submission stands in a list: newest first, or Forward in the order in which transactions began to
// write. That order is not quite the one of Submission.SettledAt; but in it nothing appears any more before what Listed
// has returned, however late it commits.
type Place struct {
	Forward bool
	Number  int64 // SettledAt in microseconds since 1970; Forward: of the transaction
	Digest  referral.Digest
}

// Listed is a page of a list.
type Listed struct {
	Submissions []Submission
	Places      []Place // in step with them
	More        bool    // behind the last of them
	// Newer is where to go on forward: it finds, once, what no page of a list that begins now can have. One that is
	// settling at this moment may be here and there.
	Newer Place
	// Counts of submissions by state, whatever List.States and List.After say, each up to MaxListCount; nil for a list
	// that goes forward.
	Counts map[referral.State]int
}

// MaxListCount bounds the work of counting.
const MaxListCount = 1000

// ListedStates are those that a submission in a list may have.
func ListedStates() []referral.State {
	return []referral.State{referral.Completed, referral.Rejected, referral.Quarantined, referral.Cancelled}
}

// ErrPlace says that List.After is a place ahead of all that was ever written here: it was given out before the store
// was restored into another PostgreSQL cluster, or to an earlier time. To go on from it would miss what settles now.
var ErrPlace = errors.New("the place is of another store")

// List returns what org may see of what l asks for: of each submission as much as Submission returns, but for Answers
// and Return. Errors are
// ErrPlace and those of the package.
func (db *DB) List(ctx context.Context, org string, l List) (Listed, error) {
	var listed Listed
	var horizon, newest int64
	count, countArgs := l.countSQL(org)
	page, pageArgs := l.pageSQL(org)
	err := db.run(ctx, statement{org, count, countArgs, func(rows pgx.Rows) error {
		for rows.Next() {
			var counts []int64
			if err := rows.Scan(&horizon, &newest, &counts); err != nil {
				return err
			}
			listed.count(counts)
		}
		return nil
	}}, statement{org, page, pageArgs, func(rows pgx.Rows) error {
		for rows.Next() {
			var s Submission
			var xid int64
			if err := s.scan(rows, &xid); err != nil {
				return err
			}
			place := Place{Number: s.SettledAt.UnixMicro(), Digest: s.Digest}
			if l.After.Forward {
				place = Place{Forward: true, Number: xid, Digest: s.Digest}
			}
			listed.Submissions, listed.Places = append(listed.Submissions, s), append(listed.Places, place)
		}
		return nil
	}})
	if err != nil {
		return Listed{}, reduce("list", err)
	}
	if l.After.Forward && l.After.Number >= horizon { // horizons only grow, and no place reaches that of its own time
		return Listed{}, ErrPlace
	}
	if listed.More = len(listed.Submissions) > l.Count; listed.More {
		listed.Submissions, listed.Places = listed.Submissions[:l.Count], listed.Places[:l.Count]
	}
	listed.Newer = endOf(newest)
	if n := len(listed.Places); l.After.Forward && n > 0 && (listed.More || listed.Places[n-1].Number > newest) {
		listed.Newer = listed.Places[n-1]
	}
	return listed, nil
}

// endOf is the place behind all that transaction xid wrote.
func endOf(xid int64) Place {
	p := Place{Forward: true, Number: xid}
	for i := range p.Digest {
		p.Digest[i] = math.MaxUint8
	}
	return p
}

func (l *Listed) count(counts []int64) {
	if len(counts) == 0 {
		return
	}
	l.Counts = map[referral.State]int{}
	for i, state := range ListedStates() {
		l.Counts[state] = int(counts[i])
	}
}

// horizonSQL is the oldest transaction that is still writing, in the whole cluster.
const horizonSQL = `pg_snapshot_xmin(pg_current_snapshot())::text::int8`

// newestSQL is the last transaction below the horizon that wrote something for $1. It is on disk. One that was rolled
// back may not be: after a crash its number is given again, to what a follower of the horizon itself would miss.
const newestSQL = `coalesce((select max(l.xid)` + listSQL + ` and l.xid < ` + horizonSQL + `), 0)`

// listSQL is what a list is made of, with conditions behind it: the tenant rule first, which row-level security
// repeats.
const (
	listSQL  = ` from listing l where ` + mayList
	mayList  = `l.org = $1`
	pageFrom = `
select` + submissionColumns + `, l.xid
from (select l.sender, l.d, l.settled_at, l.xid` + listSQL
	// A lateral subquery with a limit is not merged into the query around it: PostgreSQL starts from the list whatever
	// its statistics say.
	pageJoin = `) l
cross join lateral (
	select s.org, s.d, s.accepted_at, s.state, s.settled_at, s.attempts, s.bundle_type, s.readers, s.request, s.patient,
		s.service, s.priority, s.authored, s.outcome, s.resources, null as answers, null as "return"
	from submission s where s.org = l.sender and s.d = l.d and ` + maySee + ` limit 1
) s` + readableSQL
)

// countSQL returns the statement of the horizon, what is newest below it and the counts, which come before the page: what the one has the
// other has, too.
func (l List) countSQL(org string) (string, []any) {
	if l.After.Forward {
		return `select ` + horizonSQL + `, ` + newestSQL + `, '{}'::int8[]`, []any{org}
	}
	c := conditions{args: []any{org}}
	where := l.where(&c)
	var counts []string
	for _, state := range ListedStates() {
		counts = append(counts, `(select count(*) from (select`+listSQL+stateSQL(state)+where+` limit `+strconv.Itoa(MaxListCount)+`) c)`)
	}
	return `select ` + horizonSQL + `, ` + newestSQL + `, array[` + strings.Join(counts, `, `) + `]`, c.args
}

func (l List) pageSQL(org string) (string, []any) {
	c := conditions{args: []any{org}}
	where := stateSQL(l.States...) + l.where(&c)
	order := `l.settled_at desc, l.d desc`
	switch {
	case l.After.Forward:
		order = `l.xid, l.d`
		where += ` and (l.xid, l.d) > (` + c.arg(l.After.Number, "int8") + `, ` + c.arg(l.After.Digest[:], "bytea") + `) and l.xid < ` + horizonSQL
	case l.After != Place{}:
		where += ` and (l.settled_at, l.d) < (` + c.arg(time.UnixMicro(l.After.Number), "timestamptz") + `, ` + c.arg(l.After.Digest[:], "bytea") + `)`
	}
	return pageFrom + where + ` order by ` + order + ` limit ` + c.arg(l.Count+1, "int8") + pageJoin + ` order by ` + order, c.args
}

// where returns the conditions that hold for counts and pages alike.
func (l List) where(c *conditions) string {
	var where string
	if l.Sender != "" {
		where += ` and l.sender = ` + c.arg(l.Sender, "text")
	}
	if l.Addressee != "" {
		where += ` and exists (select from listing a where a.org = ` + c.arg(l.Addressee, "text") +
			` and a.settled_at = l.settled_at and a.d = l.d and a.org <> a.sender and (a.org = $1 or a.sender = $1))`
	}
	if !l.Since.IsZero() {
		where += ` and l.settled_at >= ` + c.arg(l.Since, "timestamptz")
	}
	if len(l.Priorities) > 0 {
		where += ` and l.priority = any (` + c.arg(l.Priorities, "text[]") + `)`
	}
	return where
}

// stateSQL returns a condition with the states in its text, and not as arguments: so that it is known to imply the
// one of the index of what did not complete.
func stateSQL(states ...referral.State) string {
	var known []string
	for _, state := range ListedStates() {
		if slices.Contains(states, state) {
			known = append(known, `'`+string(state)+`'`)
		}
	}
	if len(known) == 0 {
		return ``
	}
	return ` and l.state in (` + strings.Join(known, `, `) + `)`
}

// conditions collects the arguments of a statement.
type conditions struct{ args []any }

// arg returns the parameter for value.
func (c *conditions) arg(value any, sqlType string) string {
	c.args = append(c.args, value)
	return `$` + strconv.Itoa(len(c.args)) + `::` + sqlType
}
