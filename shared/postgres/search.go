package postgres

import (
	"context"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// Search asks for the current versions of one type, newest first.
type Search struct {
	Type     string
	IDs      []referral.UUID     // any of them; empty: whatever id
	Criteria [][]search.KeyRange // of each one range at least has to lead to the resource; the first is looked up, the others are checked
	ByList   bool                // look up none of Criteria but the organisation's list, and check them all
	Before   int64               // continue below this VID; 0: from the newest
	Count    int                 // of versions at most
	Bytes    int                 // of their JSON text, about: the version that passes it is the last
}

// Search returns what org may read of what s asks for, and whether there is more. Keys of the index may collide:
// the caller confirms each version with search.Criterion.Match. Errors are those of the package.
func (db *DB) Search(ctx context.Context, org string, s Search) (found []Version, more bool, err error) {
	query, args := s.sql(org)
	total := 0
	err = db.as(ctx, org, query, args, func(rows pgx.Rows) error {
		for rows.Next() {
			var v Version
			if err := rows.Scan(&v.ID, &v.Type, &v.Number, &v.LastUpdated, &v.VID, &v.Meta, &v.Content, &total); err != nil {
				return err
			}
			found = append(found, v)
		}
		return nil
	})
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
	select c.*, count(*) over () as total, row_number() over newest as position,
		sum(octet_length(c.meta) + octet_length(c.content)) over newest - octet_length(c.meta) - octet_length(c.content) as before
	from (`
	pageEndSQL = `
	) c
	window newest as (order by c.vid desc)
) p
where p.position < $4 and p.before < $5
order by p.vid desc`

	columns = `r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content`

	candidate = `r.type = $2 and r.vid < $3 and ` + mayRead
)

// The three ways to find candidates. A lateral subquery with a limit is not merged into the query around it, so that
// PostgreSQL starts from the index rows whatever its statistics say.
const (
	byIDSQL = `
		select ` + columns + ` from resource r
		where r.id = any($6) and ` + candidate

	// byKeySQL needs index rows i before it.
	byKeySQL = `
		cross join lateral (select ` + columns + ` from resource r where r.vid = i.vid and ` + candidate + ` limit 1) r
		where true`

	// A settlement's resources have consecutive vids, at most 1,024, and one list row at the first of them.
	byListSQL = `
		select r.* from idx i
		cross join lateral (select ` + columns + ` from resource r
			where r.vid between i.vid and i.vid + 1023 and ` + candidate + ` order by r.vid desc limit 1024) r
		where i.h = $6 and i.vid < $3`

	// oneKeySQL reads the index in the order of vids and stops with the page.
	oneKeySQL = `
		select r.* from (select i.vid from idx i where i.h = $6 and i.vid < $3 order by i.vid desc) i`

	// keyRangesSQL reads all that the ranges hold: a resource may be in several.
	keyRangesSQL = `
		select r.* from (
			select distinct j.vid from unnest($6::int8[], $7::int8[]) k(low, high)
			cross join lateral (select i.vid from idx i where i.h between k.low and k.high and i.vid < $3 offset 0) j
		) i`
)

// sql returns the statement and its arguments: the organisation, type, cursor, size of the page in versions and one,
// and in bytes; then those of the way chosen and of each further criterion.
func (s Search) sql(org string) (string, []any) {
	before := s.Before
	if before == 0 {
		before = math.MaxInt64
	}
	args := []any{org, s.Type, before, s.Count + 1, s.Bytes}
	var query, order string
	criteria := s.Criteria
	switch {
	case len(s.IDs) > 0:
		ids := make([][16]byte, len(s.IDs))
		for i, id := range s.IDs {
			ids[i] = id
		}
		args = append(args, ids)
		query, order = byIDSQL, "r.vid desc"
	case len(criteria) == 0 || s.ByList:
		args = append(args, search.ListHash(org))
		query, order = byListSQL, "i.vid desc, r.vid desc"
	default:
		if ranges := criteria[0]; len(ranges) == 1 && ranges[0].Low == ranges[0].High {
			args = append(args, ranges[0].Low)
			query = oneKeySQL
		} else {
			low, high := bounds(ranges)
			args = append(args, low, high)
			query = keyRangesSQL
		}
		criteria = criteria[1:]
		query, order = query+byKeySQL, "i.vid desc"
	}
	for _, ranges := range criteria {
		low, high := bounds(ranges)
		args = append(args, low, high)
		query += checkSQL(len(args)-1, len(args))
	}
	return pageStartSQL + query + `
		order by ` + order + ` limit $4` + pageEndSQL, args
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
