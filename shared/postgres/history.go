package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// History asks for the versions of a resource, newest first.
type History struct {
	Type   string
	ID     referral.UUID
	Since  time.Time // written then or later; zero: whenever
	Before int       // continue below this version; 0: from the newest
	Count  int       // of versions at most
	Bytes  int       // of their JSON text, about: the version that passes it is the last
}

// Versions are a page of a History.
type Versions struct {
	Found   []Version
	Revives []bool // in step with them: whether the version before was a deletion
	Total   int    // of all pages
	More    bool
}

// The statements of a history. Who became a reader later sees the versions from then on: each has its own readers.
const (
	versionsOf = `
from (
	select r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content, false as deleted
	from resource r where r.id = $2 and r.type = $3 and ` + mayRead + `
	union all
	select r.id, r.type, r.version, r.last_updated, 0, r.meta, r.content, r.deleted
	from history r where r.id = $2 and r.type = $3 and ` + mayRead + `
) c`

	countVersionsSQL = `select count(*), count(*) filter (where c.last_updated >= $4)` + versionsOf

	historySQL = `
select ` + versionColumns + `, v.revives, v.below
from (
	select c.*, coalesce(lag(c.deleted) over (order by c.version), false) as revives,
		count(*) filter (where c.version < $5 and c.last_updated >= $4) over () as below,
		count(*) filter (where c.version < $5) over newest as position,
		sum(octet_length(c.meta) + octet_length(c.content)) filter (where c.version < $5) over newest
			- octet_length(c.meta) - octet_length(c.content) as before` + versionsOf + `
	window newest as (order by c.version desc)
) v
where v.version < $5 and v.last_updated >= $4 and v.position <= $6 and v.before < $7
order by v.version desc`
)

// History returns what org may read of what h asks for; known is false when there is no version at all that it may
// read. Errors are those of the package.
func (db *DB) History(ctx context.Context, org string, h History) (v Versions, known bool, err error) {
	before := h.Before
	if before == 0 {
		before = math.MaxInt32
	}
	args := []any{org, [16]byte(h.ID), h.Type, h.Since}
	var all, below int
	err = db.run(ctx, statement{org, countVersionsSQL, args, func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(&all, &v.Total); err != nil {
				return err
			}
		}
		return nil
	}}, statement{org, historySQL, append(args[:4:4], before, h.Count, h.Bytes), func(rows pgx.Rows) error {
		for rows.Next() {
			var version Version
			var revives bool
			if err := version.scan(rows, &revives, &below); err != nil {
				return err
			}
			v.Found, v.Revives = append(v.Found, version), append(v.Revives, revives)
		}
		return nil
	}})
	if err != nil {
		return Versions{}, false, reduce("history", err)
	}
	v.More = below > len(v.Found)
	return v, all > 0, nil
}
