package postgres

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// Lookup is what a settlement depends on.
type Lookup struct {
	// Keys are those of the index that the settlement may write (search.Index), as far as conditions of others may lead to
	// them: who looks for what another is about to write waits for it, and finds it.
	Keys []int64
	// Write are resources that are written by their id, and Conditions what others are found by, to be written or not:
	// both are locked until the settlement ends, as far as they are the organisation's; of Write also Tasks that it owns.
	Write      []referral.UUID
	Conditions []LookupCondition
	// Refer are resources, the organisation's or addressed to it, that are referred to or read.
	Refer []referral.UUID
	// Searches find resources, the organisation's or addressed to it.
	Searches []LookupCondition
	// Versions are Type/id/_history/version.
	Versions []string
}

// LookupCondition leads to resources of a type by the index, or by their ids where there are no ranges.
type LookupCondition struct {
	Type   string
	Ranges []search.KeyRange
	IDs    []referral.UUID
}

// MaxMatches is how many resources the conditions of one settlement may lead to in all: beyond, Found.TooMany is set.
const MaxMatches = 5000

// Found is what the store has of a Lookup.
type Found struct {
	Own     map[referral.UUID]Stored   // of Write and Conditions, tombstones of Write among them
	Matches [][]referral.UUID          // in step with Conditions: keys may collide, so that a look at the content decides
	Reached map[referral.UUID]Referred // Refer, Own and all that these refer to, directly and indirectly, as far as one may read it
	Results [][]Version                // in step with Searches; likewise
	History map[string]time.Time       // of Versions those that are there: last updated; zero: it is a deletion
	TooMany bool
}

// Stored is a resource that the organisation may write.
type Stored struct {
	Version
	Org        string // that sent it: another one's is a Task that the organisation owns
	Owner      string // of a Task, or empty
	Readers    []string
	AcceptedAt time.Time // of the submission that wrote the version
	Deleted    bool
}

// Referred is a resource as another one refers to it.
type Referred struct {
	ID          referral.UUID
	Type        string
	Number      int
	LastUpdated time.Time
	VID         int64
	Own         bool // the organisation sent it
	Readers     []string
	Links       []referral.UUID // resources of this server that it refers to
	Content     string          // of a type that leads to an organisation, else empty
}

// The statements of a look-up; each sees what was committed before it began, hence after the locks were had.
const (
	lockSQL = `
select case when k.key = $2 and not $3 then pg_advisory_xact_lock_shared(k.key) else pg_advisory_xact_lock(k.key) end
from unnest($1::int8[]) with ordinality k(key, position) order by k.position`

	knownSQL = `select count(*) from submission s where s.org = $1 and s.d = $2 and s.state <> 'quarantined'`

	// A matched part has in m the resources that conditions lead to, each with the position of its condition.
	matchedByKey = `
with recursive m as materialized (
	select c.position, r.id
	from unnest($2::int4[], $3::text[], $4::int8[], $5::int8[]) c(position, type, low, high)
	cross join lateral (select i.vid from idx i where i.h between c.low and c.high offset 0) i
	cross join lateral (select r.id from resource r where r.vid = i.vid and r.type = c.type and `
	matchedByID = ` limit 1) r
	union
	select c.position, r.id
	from unnest($6::int4[], $7::text[], $8::uuid[]) c(position, type, id)
	join resource r on r.id = c.id and r.type = c.type and `
	matchedEnd = `
	limit 5001
)`
	mayWrite        = `r.org = $1`
	matchedOwn      = matchedByKey + mayWrite + matchedByID + mayWrite + matchedEnd
	matchedReadable = matchedByKey + mayRead + matchedByID + mayRead + matchedEnd

	ownSQL = matchedOwn + `, t as (
	select r.* from resource r
	where r.id in (select m.id from m union select unnest($9::uuid[])) and (` + mayWrite + ` or r.owner = $1 and r.id = any($9::uuid[]))
	order by r.id for update
)
select t.id::text, t.type, t.version, t.last_updated, t.vid, t.meta, t.content, t.org, t.readers, coalesce(t.owner, ''), coalesce(t.accepted_at, 'epoch'),
	array(select m.position from m where m.id = t.id), (select count(*) from m)
from t`

	foundSQL = matchedReadable + `
select r.id::text, r.type, r.version, r.last_updated, r.vid, r.meta, r.content, array_agg(m.position), (select count(*) from m)
from m join resource r on r.id = m.id and ` + mayRead + `
group by r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content
order by r.vid desc`

	tombstoneSQL = `
select distinct on (h.id) h.id::text, h.type, h.version, h.last_updated, h.org, h.readers, coalesce(h.accepted_at, 'epoch'), h.deleted
from history h
where h.org = $1 and h.id = any($2::uuid[]) and not exists (select from resource r where r.id = h.id)
order by h.id, h.version desc`

	// References and the URLs of attachments, as they are stored: without white space, a slash perhaps escaped.
	linksPart = `array(
	select distinct x[1]::uuid
	from regexp_matches(r.content, '"(?:reference|url)":"[A-Za-z]+\\?/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:["/#]|\\/)', 'g') x)`

	reachedSQL = matchedOwn + `, g as (
	select r.id, ` + linksPart + ` as links from resource r
	where r.id in (select m.id from m union select unnest($9::uuid[])) and ` + mayRead + `
	union
	select r.id, ` + linksPart + `
	from g cross join unnest(g.links) l(id) join resource r on r.id = l.id and ` + mayRead + `
)
select r.id, r.type, r.version, r.last_updated, r.vid, r.org = $1, r.readers, g.links,
	case when r.type in ('Organization', 'PractitionerRole', 'HealthcareService') then r.content else '' end
from g join resource r on r.id = g.id`

	versionsSQL = `
select v.position, r.last_updated, false
from unnest($2::uuid[], $3::int4[], $4::text[]) with ordinality v(id, version, type, position)
join resource r on r.id = v.id and r.version = v.version and r.type = v.type and ` + mayRead + `
union all
select v.position, r.last_updated, r.deleted
from unnest($2::uuid[], $3::int4[], $4::text[]) with ordinality v(id, version, type, position)
join history r on r.id = v.id and r.version = v.version and r.type = v.type and ` + mayRead
)

// statements returns those that fill f with what l asks for.
func (l Lookup) statements(org string, f *Found) []statement {
	*f = Found{Own: map[referral.UUID]Stored{}, Reached: map[referral.UUID]Referred{}, History: map[string]time.Time{},
		Matches: make([][]referral.UUID, len(l.Conditions)), Results: make([][]Version, len(l.Searches))}
	var statements []statement
	add := func(query string, read func(pgx.Rows) error, args ...any) {
		statements = append(statements, statement{org, query, append([]any{org}, args...), read})
	}
	if len(l.Write)+len(l.Conditions) > 0 {
		add(ownSQL, f.readOwn, append(conditionArgs(l.Conditions), uuids(l.Write))...)
	}
	if len(l.Write) > 0 {
		add(tombstoneSQL, f.readTombstones, uuids(l.Write))
	}
	if len(l.Write)+len(l.Conditions)+len(l.Refer) > 0 {
		add(reachedSQL, f.readReached, append(conditionArgs(l.Conditions), uuids(slices.Concat(l.Write, l.Refer)))...)
	}
	if len(l.Searches) > 0 {
		add(foundSQL, f.readResults, conditionArgs(l.Searches)...)
	}
	if len(l.Versions) > 0 {
		add(versionsSQL, f.readVersions(l.Versions), versionArgs(l.Versions)...)
	}
	return statements
}

func conditionArgs(conditions []LookupCondition) []any {
	var byKey, byID []int32
	var keyTypes, idTypes []string
	var low, high []int64
	var ids []referral.UUID
	for i, c := range conditions {
		for _, r := range c.Ranges {
			byKey, keyTypes = append(byKey, int32(i)), append(keyTypes, c.Type)
			low, high = append(low, r.Low), append(high, r.High)
		}
		if len(c.Ranges) > 0 {
			continue
		}
		for _, id := range c.IDs {
			byID, idTypes, ids = append(byID, int32(i)), append(idTypes, c.Type), append(ids, id)
		}
	}
	return []any{byKey, keyTypes, low, high, byID, idTypes, uuids(ids)}
}

func uuids(ids []referral.UUID) [][16]byte {
	b := make([][16]byte, len(ids))
	for i, id := range ids {
		b[i] = id
	}
	return b
}

func versionArgs(names []string) []any {
	ids, numbers, types := make([][16]byte, len(names)), make([]int32, len(names)), make([]string, len(names))
	for i, name := range names {
		parts := strings.Split(name, "/")
		id, err := referral.ParseUUID(parts[1])
		n, err2 := strconv.ParseInt(parts[3], 10, 32)
		if err == nil && err2 == nil { // any other is not there
			ids[i], numbers[i], types[i] = id, int32(n), parts[0]
		}
	}
	return []any{ids, numbers, types}
}

func (f *Found) readOwn(rows pgx.Rows) error {
	for rows.Next() {
		var v Stored
		var positions []int32
		var matched int
		if err := rows.Scan(&v.ID, &v.Type, &v.Number, &v.LastUpdated, &v.VID, &v.Meta, &v.Content, &v.Org, &v.Readers, &v.Owner, &v.AcceptedAt,
			&positions, &matched); err != nil {
			return err
		}
		f.TooMany = f.TooMany || matched > MaxMatches
		id, err := referral.ParseUUID(v.ID)
		if err != nil {
			return err
		}
		f.Own[id] = v.since(id)
		for _, position := range positions {
			f.Matches[position] = append(f.Matches[position], id)
		}
	}
	return nil
}

// since fills in when a version was accepted that was written by a release that did not say so: when the resource was.
func (v Stored) since(id referral.UUID) Stored {
	if v.AcceptedAt.UnixMilli() == 0 {
		v.AcceptedAt = id.Time()
	}
	return v
}

func (f *Found) readTombstones(rows pgx.Rows) error {
	for rows.Next() {
		var v Stored
		if err := rows.Scan(&v.ID, &v.Type, &v.Number, &v.LastUpdated, &v.Org, &v.Readers, &v.AcceptedAt, &v.Deleted); err != nil {
			return err
		}
		id, err := referral.ParseUUID(v.ID)
		if err != nil {
			return err
		}
		if v.Deleted {
			f.Own[id] = v.since(id)
		}
	}
	return nil
}

func (f *Found) readReached(rows pgx.Rows) error {
	for rows.Next() {
		var r Referred
		var id [16]byte
		var links [][16]byte
		if err := rows.Scan(&id, &r.Type, &r.Number, &r.LastUpdated, &r.VID, &r.Own, &r.Readers, &links, &r.Content); err != nil {
			return err
		}
		r.ID = id
		for _, link := range links {
			r.Links = append(r.Links, link)
		}
		f.Reached[r.ID] = r
	}
	return nil
}

func (f *Found) readResults(rows pgx.Rows) error {
	for rows.Next() {
		var v Version
		var positions []int32
		var matched int
		if err := rows.Scan(&v.ID, &v.Type, &v.Number, &v.LastUpdated, &v.VID, &v.Meta, &v.Content, &positions, &matched); err != nil {
			return err
		}
		f.TooMany = f.TooMany || matched > MaxMatches
		for _, position := range positions {
			f.Results[position] = append(f.Results[position], v)
		}
	}
	return nil
}

func (f *Found) readVersions(names []string) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			var position int
			var lastUpdated time.Time
			var deleted bool
			if err := rows.Scan(&position, &lastUpdated, &deleted); err != nil {
				return err
			}
			if deleted {
				lastUpdated = time.Time{}
			}
			f.History[names[position-1]] = lastUpdated
		}
		return nil
	}
}
