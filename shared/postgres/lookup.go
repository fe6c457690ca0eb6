package postgres

import (
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// Lookup is what a settlement depends on.
type Lookup struct {
	// Types are those of all resources that the settlement may write: where it depends on conditions, whose depend on what
	// it writes wait for it.
	Types []string
	// Write are resources that are written by their id, and Conditions what others are found by, to be written or not:
	// both are locked until the settlement ends, as far as they are the organisation's; of Write also Tasks that it owns.
	Write      []referral.UUID
	Conditions []LookupCondition
	// Claim are Tasks of others that the organisation may become the owner of: of Write those that a caller with the scope
	// fill updates. Those that are open are locked, too.
	Claim []referral.UUID
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

// MaxMatches is how many resources the conditions of one settlement may lead to in all, and MaxStoredBytes how large
// may be in all what is read of them and of what it writes, as JSON text: beyond either, Found.TooMany is set.
const (
	MaxMatches     = 5000
	MaxStoredBytes = 32 << 20
)

// Found is what the store has of a Lookup.
type Found struct {
	Own     map[referral.UUID]Stored   // of Write and Conditions; and tombstones of Write and Refer
	Matches [][]referral.UUID          // in step with Conditions: keys may collide, so that a look at the content decides
	Reached map[referral.UUID]Referred // Refer, Own and all that the organisation's among these lead to, as far as it may read it
	Results [][]Version                // in step with Searches; likewise
	History map[string]time.Time       // of Versions those that are there: last updated; zero: it is a deletion
	TooMany bool                       // contents are missing
	Taken   map[referral.UUID]bool     // those of Claim that others have become the owner of
	Behind  map[string]*Found          // Reached by the senders of the open Tasks, by sender: what the Tasks lead to

	held   map[referral.UUID]bool // those of Own that are locked
	missed bool                   // a Task of Claim has become the organisation's own while this was read
}

// Stored is a resource that the organisation may write.
type Stored struct {
	Version
	Org        string // that sent it: another one's is a Task that the organisation owns, or one that is open
	Owner      string // of a Task, or empty
	Claimed    bool   // the owner has taken the Task up: it was open
	Readers    []string
	AcceptedAt time.Time       // of the submission that wrote the version
	Digest     referral.Digest // likewise; zero: of a release that did not keep it
	Deleted    bool
	Open       bool // a Task of Claim that nobody owns: the organisation may become its owner
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
	Content     string          // of a type that leads to an organisation, and of Own; else empty
}

// The statements of a look-up; each sees what was committed before it began, hence after the locks were had.
const (
	knownSQL = `select count(*) from submission s where s.org = $1 and s.d = $2 and s.state <> 'quarantined'`

	// A matched part has in m the resources that conditions lead to, each with the position of its condition, and in p
	// all positions of each.
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
), p as (
	select m.id, array_agg(m.position) as positions from m group by m.id
)`
	isOwn           = `r.org = $1`
	matchedOwn      = matchedByKey + isOwn + matchedByID + isOwn + matchedEnd
	matchedReadable = matchedByKey + mayRead + matchedByID + mayRead + matchedEnd

	// mayWrite are the resources that the settlement may write: those that conditions lead to, and by id also a Task
	// that the organisation owns.
	mayWrite = `(` + isOwn + ` and r.id in (select p.id from p) or (` + isOwn + ` or r.owner = $1) and r.id = any($9::uuid[]))`

	// References and the URLs of attachments, as they are stored: without white space, a slash perhaps escaped.
	linksPart = `array(
	select distinct x[1]::uuid
	from regexp_matches(r.content, '"(?:reference|url)":"[A-Za-z]+\\?/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:["/#]|\\/)', 'g') x)`

	// storedSQL reads all of them in one snapshot, lest a resource is neither alive nor deleted. What others wrote leads
	// to nothing, but for the Task that is written here. Each is looked up by its id, as in readableVersion.
	storedSQL = matchedOwn + `, w as (
	select p.id from p union select unnest($9::uuid[]) union select unnest($10::uuid[])
), g as (
	select r.id, ` + linksPart + ` as links, ` + isOwn + ` or r.id = any($9::uuid[]) as leads
	from w cross join lateral (select r.id, r.org, r.content from resource r where r.id = w.id and ` + mayRead + ` limit 1) r
	union
	select r.id, ` + linksPart + `, ` + isOwn + ` or r.id = any($9::uuid[])
	from g cross join unnest(g.links) l(id)
	cross join lateral (select r.id, r.org, r.content from resource r where r.id = l.id and ` + mayRead + ` limit 1) r
	where g.leads
), v as (
	select r.*, g.links, p.positions, ` + mayWrite + ` is true as write
	from g left join p on p.id = g.id cross join lateral (
		select r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content, r.org, r.readers, r.owner, r.claimed, r.accepted_at, r.d
		from resource r where r.id = g.id and ` + mayRead + ` limit 1
	) r
), s as (
	select v.*, n.read, sum(octet_length(v.meta) + octet_length(v.content)) filter (where n.read) over () as size
	from v cross join lateral (select v.write or v.type in ('Organization', 'PractitionerRole', 'HealthcareService') as read) n
)
select s.id, s.type, s.version, s.last_updated, s.vid, s.org, coalesce(s.owner, ''), s.claimed, s.readers,
	coalesce(s.accepted_at, 'epoch'), coalesce(s.d, ''), false,
	case when s.read and s.size <= $11 then s.meta else '' end, case when s.read and s.size <= $11 then s.content else '' end,
	s.links, coalesce(s.positions, '{}'), s.write, coalesce(s.size, 0) > $11 or (select count(*) from m) > $12
from s
union all
select h.id, h.type, h.version, h.last_updated, 0, h.org, '', false, h.readers,
	coalesce(h.accepted_at, 'epoch'), coalesce(h.d, ''), true, '', '', '{}', '{}', true, false
from w cross join lateral (
	select h.id, h.type, h.version, h.last_updated, h.org, h.readers, h.accepted_at, h.d, h.deleted
	from history h where h.id = w.id and h.org = $1 order by h.version desc limit 1
) h
where h.deleted and (select count(*) from resource r where r.id = h.id) = 0`

	foundSQL = matchedReadable + `, s as (
	select r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content, p.positions,
		sum(octet_length(r.meta) + octet_length(r.content)) over () as size
	from p cross join lateral (
		select r.id, r.type, r.version, r.last_updated, r.vid, r.meta, r.content from resource r where r.id = p.id and ` + mayRead + ` limit 1
	) r
)
select s.id::text, s.type, s.version, s.last_updated, s.vid,
	case when s.size <= $9 then s.meta else '' end, case when s.size <= $9 then s.content else '' end,
	s.positions, s.size > $9 or (select count(*) from m) > $10
from s order by s.vid desc`

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
		Matches: make([][]referral.UUID, len(l.Conditions)), Results: make([][]Version, len(l.Searches)), held: map[referral.UUID]bool{},
		Taken: map[referral.UUID]bool{}, Behind: map[string]*Found{}}
	var statements []statement
	add := func(query string, read func(pgx.Rows) error, args ...any) {
		statements = append(statements, statement{org, query, append([]any{org}, args...), read})
	}
	write := append(conditionArgs(l.Conditions), uuids(l.Write))
	if len(l.Write)+len(l.Conditions) > 0 {
		add(holdSQL, f.readHeld, write...)
	}
	if len(l.Write)+len(l.Conditions)+len(l.Refer) > 0 {
		add(storedSQL, f.readStored(org), append(write, uuids(l.Refer), MaxStoredBytes, MaxMatches)...)
	}
	if len(l.Searches) > 0 {
		add(foundSQL, f.readResults, append(conditionArgs(l.Searches), MaxStoredBytes, MaxMatches)...)
	}
	if len(l.Versions) > 0 {
		add(versionsSQL, f.readVersions(l.Versions), versionArgs(l.Versions)...)
	}
	return append(statements, l.opening(org, f)...)
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

func (f *Found) readStored(org string) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			var v Stored
			var id [16]byte
			var digest []byte
			var links [][16]byte
			var positions []int32
			var writable, tooMany bool
			if err := rows.Scan(&id, &v.Type, &v.Number, &v.LastUpdated, &v.VID, &v.Org, &v.Owner, &v.Claimed, &v.Readers, &v.AcceptedAt, &digest, &v.Deleted,
				&v.Meta, &v.Content, &links, &positions, &writable, &tooMany); err != nil {
				return err
			}
			f.TooMany = f.TooMany || tooMany
			v.ID = referral.UUID(id).String()
			copy(v.Digest[:], digest)
			if writable {
				f.Own[id] = v.since(id)
			}
			for _, position := range positions {
				f.Matches[position] = append(f.Matches[position], id)
			}
			if v.Deleted {
				continue
			}
			r := Referred{ID: id, Type: v.Type, Number: v.Number, LastUpdated: v.LastUpdated, VID: v.VID, Own: v.Org == org, Readers: v.Readers, Content: v.Content}
			for _, link := range links {
				r.Links = append(r.Links, link)
			}
			f.Reached[id] = r
		}
		return nil
	}
}

// since fills in when a version was accepted that was written by a release that did not say so: when the resource was.
func (v Stored) since(id referral.UUID) Stored {
	if v.AcceptedAt.UnixMilli() == 0 {
		v.AcceptedAt = id.Time()
	}
	return v
}

func (f *Found) readResults(rows pgx.Rows) error {
	for rows.Next() {
		var v Version
		var positions []int32
		var tooMany bool
		if err := rows.Scan(&v.ID, &v.Type, &v.Number, &v.LastUpdated, &v.VID, &v.Meta, &v.Content, &positions, &tooMany); err != nil {
			return err
		}
		f.TooMany = f.TooMany || tooMany
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
