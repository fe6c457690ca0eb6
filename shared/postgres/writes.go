package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Writes asks for the versions that an organisation's own submissions wrote, newest submission first, in each in the order
// of its entries.
type Writes struct {
	Type  string    // empty: every type
	Since time.Time // written then or later; zero: whenever
	After Written   // continue behind this place; zero: from the newest
	Count int       // of versions at most
	Bytes int       // of their JSON text, about: the version that passes it is the last
}

// Written is the place of a version among Writes.
type Written struct {
	SettledAt time.Time // of the submission
	Digest    referral.Digest
	Position  int // in the submission, from 1
}

// maxSubmissions is how many submissions one page of Writes looks into.
const maxSubmissions = 1000

// writesSQL ends with a row that has a place and no version, where there may be more behind what it looked into.
const writesSQL = `
with s as (
	select l.settled_at, l.d from listing l
	where ` + mayList + ` and l.sender = $1 and l.state = 'completed' and l.settled_at >= $3 and (l.settled_at, l.d) <= ($4, $5)
	order by l.settled_at desc, l.d desc limit $6
), n as (
	select s.settled_at, s.d, u.position, split_part(u.name, '/', 1) as type,
		split_part(u.name, '/', 2)::uuid as id, split_part(u.name, '/', 4)::int as version
	from s join submission b on b.org = $1 and b.d = s.d
	cross join lateral unnest(b.resources) with ordinality u(name, position)
	where ($2 = '' or starts_with(u.name, $2 || '/')) and (s.settled_at <> $4 or s.d <> $5 or u.position > $7)
	order by s.settled_at desc, s.d desc, u.position limit $8 + 1
), c as (
	select n.settled_at, n.d, n.position, r.* from n
	cross join lateral (
		select r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content, false as deleted
		from resource r where r.id = n.id and r.version = n.version and r.type = n.type and ` + mayRead + `
		union all
		select r.id, r.type, r.version, r.last_updated, 0, r.meta, r.content, r.deleted
		from history r where r.id = n.id and r.version = n.version and r.type = n.type and ` + mayRead + `
	) r
), v as (
	select c.*, sum(octet_length(c.meta) + octet_length(c.content)) over newest - octet_length(c.meta) - octet_length(c.content) as before,
		exists (select from history r where r.id = c.id and r.version = c.version - 1 and r.deleted and ` + mayRead + `) as revives
	from c window newest as (order by c.settled_at desc, c.d desc, c.position)
)
select * from (
	select ` + versionColumns + `, v.settled_at, v.d, v.position, v.revives, v.before >= $9 as over from v
	union all
	(select '', '', 0, s.settled_at, 0, '', '', false, s.settled_at, s.d, 2147483647, false, false
	from s order by s.settled_at desc, s.d desc offset $6 - 1)
) p
order by p.settled_at desc, p.d desc, p.position`

// Writes returns what w asks for, and where the next page begins: nil, there is none. A page may have fewer versions than
// Count, even none, and be followed by another. Errors are those of the package.
func (db *DB) Writes(ctx context.Context, org string, w Writes) (v Versions, next *Written, err error) {
	from := w.After
	if from.SettledAt.IsZero() {
		from.SettledAt = time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)
		for i := range from.Digest {
			from.Digest[i] = math.MaxUint8
		}
	}
	var last Written
	args := []any{org, w.Type, w.Since, from.SettledAt, from.Digest[:], maxSubmissions, from.Position, w.Count, w.Bytes}
	err = db.as(ctx, org, writesSQL, args, func(rows pgx.Rows) error {
		for rows.Next() {
			var version Version
			var place Written
			var digest []byte
			var revives, over bool
			if err := version.scan(rows, &place.SettledAt, &digest, &place.Position, &revives, &over); err != nil {
				return err
			}
			if next != nil {
				continue
			}
			copy(place.Digest[:], digest)
			switch {
			case version.ID == "":
				next = &place
			case over || len(v.Found) == w.Count:
				next = &last
			default:
				v.Found, v.Revives, last = append(v.Found, version), append(v.Revives, revives), place
			}
		}
		return nil
	})
	if err != nil {
		return Versions{}, nil, reduce("writes", err)
	}
	v.More = next != nil
	return v, next, nil
}
