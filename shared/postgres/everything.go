package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// Everything asks for a resource, what refers to it, and what these refer to in turn.
type Everything struct {
	Root  referral.UUID
	Keys  []search.KeyRange // of the index, to all that may refer to Root: what does not name it is left out
	Types []string          // any of them; empty: all
	Since time.Time         // written then or later; zero: whenever
	After referral.UUID     // continue behind this one; zero: from Root, which is the first
	Count int               // of resources at most
	Bytes int               // of their JSON text, about: the one that passes it is the last
}

// Surroundings are a page of Everything: Root first, then in the order of ids, which writes do not change.
type Surroundings struct {
	Found  []Version
	Direct []bool // in step with them: Root, or refers to it
	Total  int    // of those that are Direct, on all pages
	More   bool
}

// everythingSQL follows references as storedSQL does; one whose target org may not read leads nowhere.
const everythingSQL = `
with recursive k as (
	select distinct i.vid from unnest($3::int8[], $4::int8[]) k(low, high)
	cross join lateral (select i.vid from idx i where i.h between k.low and k.high offset 0) i
), g as (
	select r.id, ` + linksPart + ` as links, true as direct from resource r where r.id = $2 and ` + mayRead + `
	union
	select r.id, ` + linksPart + `, true from k
	cross join lateral (select r.* from resource r where r.vid = k.vid and ` + mayRead + ` limit 1) r
	where strpos(r.content, $2::text) > 0
	union
	select r.id, ` + linksPart + `, false
	from g cross join unnest(g.links) l(id) join resource r on r.id = l.id and ` + mayRead + `
), e as (
	select r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content, false as deleted, g.direct,
		count(*) filter (where g.direct) over () as total
	from (select g.id, bool_or(g.direct) as direct from g group by g.id) g join resource r on r.id = g.id and ` + mayRead + `
	where (cardinality($5::text[]) = 0 or r.type = any($5)) and r.last_updated >= $6
), v as (
	select e.*, count(*) over () as remaining, row_number() over forward as position,
		sum(octet_length(e.meta) + octet_length(e.content)) over forward - octet_length(e.meta) - octet_length(e.content) as before
	from e where $7::uuid is null or e.id <> $2 and (e.id > $7 or $7 = $2)
	window forward as (order by e.id <> $2, e.id)
)
select ` + versionColumns + `, v.direct, v.total, v.remaining from v
where v.position <= $8 and v.before < $9
order by v.position`

// Everything returns what org may read of what e asks for. Errors are those of the package.
func (db *DB) Everything(ctx context.Context, org string, e Everything) (Surroundings, error) {
	low, high := bounds(e.Keys)
	types := e.Types
	if types == nil {
		types = []string{}
	}
	var after *[16]byte
	if e.After != (referral.UUID{}) {
		after = (*[16]byte)(&e.After)
	}
	var s Surroundings
	remaining := 0
	args := []any{org, [16]byte(e.Root), low, high, types, e.Since, after, e.Count, e.Bytes}
	err := db.as(ctx, org, everythingSQL, args, func(rows pgx.Rows) error {
		for rows.Next() {
			var v Version
			var direct bool
			if err := v.scan(rows, &direct, &s.Total, &remaining); err != nil {
				return err
			}
			s.Found, s.Direct = append(s.Found, v), append(s.Direct, direct)
		}
		return nil
	})
	if err != nil {
		return Surroundings{}, reduce("everything", err)
	}
	s.More = remaining > len(s.Found)
	return s, nil
}
