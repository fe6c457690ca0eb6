package postgres

import (
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// Search asks for the current versions of one type, newest first. Keys of the index may collide: what it finds is to be
// confirmed by its content.
type Search struct {
	Type    string
	IDs     []referral.UUID     // any of them; empty: whatever id
	Lead    []search.KeyRange   // one of the ranges leads to the resource; empty: the organisation's list does
	Checks  [][]search.KeyRange // of each, one range has the resource too
	Before  int64               // below this VID; 0: to the newest
	After   int64               // above this one
	Forward bool                // oldest first
	// Settled leaves out what is newer than any settlement under way: what appears later is newer than all that is found.
	Settled bool
	Fill    int64 // key of a group: Tasks of it that are open are found whosever they are; 0: none are
	Count   int   // of versions at most
	Bytes   int   // of their JSON text, about: the version that passes it is the last

	closed []referral.UUID // Tasks of the group that have no owner, and are not open
}

// FirstVID is the lowest that a version of a time, in ms since 1970, may have; it is at least 1.
func FirstVID(ms int64) int64 {
	const since, bits = 1577836800000, 22 // as in submissionPart
	return max(1, (min(max(ms, since), math.MaxInt64>>bits)-since)<<bits)
}

// Search returns what org may read of what s asks for, and whether there is more. Errors are those of the package.
func (db *DB) Search(ctx context.Context, org string, s Search) (found []Version, more bool, err error) {
	if s.Fill != 0 {
		if s.closed, err = db.closed(ctx, org, s.Fill); err != nil {
			return nil, false, reduce("search", err)
		}
	}
	query, args := s.sql(org)
	total := 0
	var statements []statement
	if s.Settled {
		statements = append(statements, statement{org, oldestSQL, nil, nil})
	}
	if s.Fill != 0 {
		statements = append(statements, statement{org, fillSQL, []any{s.Fill}, nil})
	}
	err = db.run(ctx, append(statements, statement{org, query, args, func(rows pgx.Rows) error {
		for rows.Next() {
			var v Version
			if err := rows.Scan(&v.ID, &v.Type, &v.Number, &v.LastUpdated, &v.VID, &v.Meta, &v.Content, &total); err != nil {
				return err
			}
			found = append(found, v)
		}
		return nil
	}})...)
	if err != nil {
		return nil, false, reduce("search", err)
	}
	return found, total > len(found), nil
}

// pageSQL stands around a query for one version more than a page has, as p, and cuts the page. octet_length reads the
// size of a text without the text.
const (
	pageStartSQL = `
select p.id::text, p.type, p.version, p.last_updated, p.vid, p.meta, p.content, p.total
from (
	select c.*, count(*) over () as total, row_number() over page as position,
		sum(octet_length(c.meta) + octet_length(c.content)) over page - octet_length(c.meta) - octet_length(c.content) as before
	from (`
	pageEndSQL = `
	) c
	window page as (order by c.vid {order})
) p
where p.position < $4 and p.before < $5
order by p.vid {order}`

	columns = `r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content`

	candidate = `r.type = $2 and r.vid < $3 and r.vid > $6 and ` + mayRead
)

// The three ways to find candidates. A lateral subquery with a limit is not merged into the query around it, so that
// PostgreSQL starts from the index rows whatever its statistics say.
const (
	byIDSQL = `
		select ` + columns + ` from resource r
		where r.id = any($7) and ` + candidate

	// byKeySQL needs index rows i before it.
	byKeySQL = `
		cross join lateral (select ` + columns + ` from resource r where r.vid = i.vid and ` + candidate + ` limit 1) r
		where true`

	// A settlement's resources have consecutive vids, at most 1,024, and one list row at the first of them. In the order
	// of these alone, nothing is sorted before the page is cut, and the last settlement of a page is whole.
	byListSQL = `
		select r.* from idx i
		cross join lateral (select ` + columns + ` from resource r
			where r.vid between i.vid and i.vid + 1023 and ` + candidate + ` order by r.vid {order} limit 1024) r
		where i.h = $7 and i.vid < $3 and i.vid > $6::int8 - 1024`

	// oneKeySQL reads the index in the order of vids and stops with the page.
	oneKeySQL = `
		select r.* from (select i.vid from idx i where i.h = $7 and i.vid < $3 and i.vid > $6 order by i.vid {order}) i`

	// keyRangesSQL reads all that the ranges hold: a resource may be in several.
	keyRangesSQL = `
		select r.* from (
			select distinct j.vid from unnest($7::int8[], $8::int8[]) k(low, high)
			cross join lateral (select i.vid from idx i where i.h between k.low and k.high and i.vid < $3 and i.vid > $6 offset 0) j
		) i`
)

// sql returns the statement and its arguments: the organisation, type, upper bound, size of the page in versions and one,
// and in bytes, and lower bound; then those of the way chosen and of each check.
func (s Search) sql(org string) (string, []any) {
	before := s.Before
	if before == 0 {
		before = math.MaxInt64
	}
	args := []any{org, s.Type, before, s.Count + 1, s.Bytes, s.After}
	var query, order string
	switch {
	case len(s.IDs) > 0:
		ids := make([][16]byte, len(s.IDs))
		for i, id := range s.IDs {
			ids[i] = id
		}
		args = append(args, ids)
		query, order = byIDSQL, "r.vid {order}"
	case len(s.Lead) == 0:
		args = append(args, search.ListHash(org))
		query, order = byListSQL, "i.vid {order}"
	default:
		if lead := s.Lead; len(lead) == 1 && lead[0].Low == lead[0].High {
			args = append(args, lead[0].Low)
			query = oneKeySQL
		} else {
			low, high := bounds(lead)
			args = append(args, low, high)
			query = keyRangesSQL
		}
		query, order = query+byKeySQL, "i.vid {order}"
	}
	for _, ranges := range s.Checks {
		low, high := bounds(ranges)
		args = append(args, low, high)
		query += checkSQL(len(args)-1, len(args))
	}
	if s.Settled {
		query += beforeHorizon
	}
	query, args = s.filling(query, args)
	direction := "desc"
	if s.Forward {
		direction = "asc"
	}
	return strings.ReplaceAll(pageStartSQL+query+`
		order by `+order+` fetch first ($4) rows with ties`+pageEndSQL, "{order}", direction), args
}

// checkSQL returns the condition that a candidate has an index row in one of the ranges, whose bounds are the
// numbered arguments.
func checkSQL(low, high int) string {
	return `
		and exists (
			select from unnest($` + strconv.Itoa(low) + `::int8[], $` + strconv.Itoa(high) + `::int8[]) k(low, high)
			cross join lateral (select from idx j where j.h between k.low and k.high and j.vid = r.vid limit 1) j
		)`
}

func bounds(ranges []search.KeyRange) (low, high []int64) {
	low, high = make([]int64, len(ranges)), make([]int64, len(ranges))
	for i, r := range ranges {
		low[i], high[i] = r.Low, r.High
	}
	return low, high
}
