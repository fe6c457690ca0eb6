package postgres

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// A Task of a group without an owner is open to whoever the patient chooses, unless what it asks for names a performer: who
// may fill such Tasks finds them by their group, and becomes the owner of one. Row-level security repeats of the rule that there
// is no owner, for the group and the ids that a transaction names. What a Task focuses on is its sender's, and nobody else sees
// it before the Task is taken up: on the sender's behalf it is asked which Tasks are closed.

// isOpen is the rule for a Task r. An owner that is no organisation known here is one, too.
const isOpen = `r.type = 'Task' and r.owner is null and ('{' || r.content || '}')::json -> 'owner' is null`

// Claim is what an organisation comes to read because it becomes the owner of another's Tasks.
type Claim struct {
	Org     string          // whose Tasks they are
	Reached []referral.UUID // of that organisation's resources
}

const (
	fillSQL = `select set_config('app.fill', $1::int8::text, true)`

	claimSQL = `select set_config('app.claim', array_to_string($1::uuid[], ','), true)`

	onBehalfSQL = `select set_config('app.org', $1, true)`

	// openSendersSQL are the senders of the Tasks of a group that have no owner.
	openSendersSQL = `
select r.org, array_agg(r.id)
from idx i cross join lateral (select r.org, r.id from resource r where r.vid = i.vid and r.org <> $1 and ` + isOpen + ` limit 1) r
where i.h = $2
group by r.org`

	// closedSQL are those of its own Tasks that an organisation has not left open to others, if they have no owner: of no
	// group, or of none that is found by its whole identifier, or focused on a request that names a performer, be it none that is
	// known here.
	closedSQL = `
select t.id from resource t cross join lateral (select ('{' || t.content || '}')::json as content) c
where t.org = $1 and t.id = any($2::uuid[]) and (
	c.content -> 'groupIdentifier' -> 'system' is null or c.content -> 'groupIdentifier' -> 'value' is null
	or exists (
		select from resource r
		where r.id = substring((c.content -> 'focus' -> 'reference')::text
				from '^"ServiceRequest\\?/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:["/#]|\\/)')::uuid
			and r.type = 'ServiceRequest' and ` + mayRead + ` and ('{' || r.content || '}')::json -> 'performer' is not null
	)
)`

	holdOpenSQL = `
select r.id from resource r where r.org <> $1 and r.id = any($2::uuid[]) and ` + isOpen + ` order by r.id for update`

	// openSQL reads what readStored does.
	openSQL = `
select r.id, r.type, r.version, r.last_updated, r.vid, r.org, coalesce(r.owner, ''), r.claimed, r.readers, coalesce(r.accepted_at, 'epoch'), coalesce(r.d, ''), false,
	case when r.size <= $3 then r.meta else '' end, case when r.size <= $3 then r.content else '' end,
	'{}'::uuid[], '{}'::int4[], true, r.size > $3
from (
	select r.*, sum(octet_length(r.meta) + octet_length(r.content)) over () as size
	from resource r where r.org <> $1 and r.id = any($2::uuid[]) and ` + isOpen + `
) r`

	takenSQL = `
select r.id, r.owner = $1 from resource r where r.org <> $1 and r.id = any($2::uuid[]) and r.type = 'Task' and r.claimed and r.owner is not null`

	sharedSQL = `
with g as (
	update resource r set readers = array(select distinct o from unnest(r.readers || $3::text) o order by o)
	from (
		select r.id from (select u.id from unnest($2::uuid[]) u(id) order by u.id) u
		cross join lateral (select r.id from resource r where r.id = u.id and ` + isOwn + ` limit 1 for no key update of r) r
	) k
	where r.id = k.id
	returning r.vid
)
insert into idx (h, vid) select $4, g.vid >> 10 << 10 from g on conflict do nothing`
)

// filling lets a search find open Tasks of the group besides.
func (s Search) filling(query string, args []any) (string, []any) {
	if s.Fill == 0 {
		return query, args
	}
	args = append(args, s.Fill, uuids(s.closed))
	group := isOpen + ` and exists (select from idx g where g.h = $` + strconv.Itoa(len(args)-1) + ` and g.vid = r.vid)` +
		` and r.id <> all($` + strconv.Itoa(len(args)) + `::uuid[])`
	return strings.ReplaceAll(query, mayRead, `(`+group+` or `+mayRead+`)`), args
}

// closed are the Tasks of the group that s asks for that have no owner, and are closed to org.
func (db *DB) closed(ctx context.Context, org string, group int64) (closed []referral.UUID, err error) {
	tasks := map[string][]referral.UUID{}
	err = db.run(ctx, statement{org, fillSQL, []any{group}, nil}, statement{org, openSendersSQL, []any{org, group}, func(rows pgx.Rows) error {
		for rows.Next() {
			var sender string
			var ids [][16]byte
			if err := rows.Scan(&sender, &ids); err != nil {
				return err
			}
			for _, id := range ids {
				tasks[sender] = append(tasks[sender], id)
			}
		}
		return nil
	}})
	if err != nil || len(tasks) == 0 {
		return nil, err
	}
	var statements []statement
	for _, sender := range slices.Sorted(maps.Keys(tasks)) {
		statements = append(statements, closing(sender, tasks[sender], func(id referral.UUID) { closed = append(closed, id) }))
	}
	return closed, db.run(ctx, statements...)
}

// closing calls closed with each of the sender's Tasks that is not left open.
func closing(sender string, tasks []referral.UUID, closed func(referral.UUID)) statement {
	return statement{sender, closedSQL, []any{sender, uuids(tasks)}, func(rows pgx.Rows) error {
		for rows.Next() {
			var id [16]byte
			if err := rows.Scan(&id); err != nil {
				return err
			}
			closed(id)
		}
		return nil
	}}
}

// opening are the statements that lock and read the Tasks of l that are open, and tell which of them are not any more.
func (l Lookup) opening(org string, f *Found) []statement {
	if len(l.Claim) == 0 {
		return nil
	}
	ids := uuids(l.Claim)
	return []statement{
		{org, claimSQL, []any{ids}, nil},
		{org, holdOpenSQL, []any{org, ids}, f.readHeld},
		{org, openSQL, []any{org, ids, MaxStoredBytes}, f.readOpen(org, l.Claim)},
		{org, takenSQL, []any{org, ids}, f.readTaken},
	}
}

// readTaken notes which Tasks have an owner by now. One that has become the organisation's own since the look for those
// that it owns is for another look.
func (f *Found) readTaken(rows pgx.Rows) error {
	for rows.Next() {
		var id [16]byte
		var own bool
		if err := rows.Scan(&id, &own); err != nil {
			return err
		}
		f.Taken[id] = !own
		if _, found := f.Own[id]; own && !found {
			f.missed = true
		}
	}
	return nil
}

func (f *Found) readOpen(org string, claim []referral.UUID) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		if err := f.readStored(org)(rows); err != nil {
			return err
		}
		for _, id := range claim {
			if v, ok := f.Own[id]; ok && v.Org != org && v.Owner == "" {
				v.Open = true
				f.Own[id] = v
				delete(f.Reached, id) // until it is taken up, nothing else of the request sees it
			}
		}
		return nil
	}
}

// readBehind reads what the open Tasks lead to, as far as it is their sender's own or the sender reads it. Of those that turn
// out to be closed nothing is found.
func (f *Found) readBehind(ctx context.Context, conn *pgxpool.Conn, org string) error {
	tasks := map[string][]referral.UUID{}
	for id, v := range f.Own {
		if v.Open {
			tasks[v.Org] = append(tasks[v.Org], id)
		}
	}
	if len(tasks) == 0 {
		return nil
	}
	var statements []statement
	for _, sender := range slices.Sorted(maps.Keys(tasks)) {
		behind := &Found{}
		l := Lookup{Refer: tasks[sender]}
		statements = append(append(statements, onBehalf(sender)), l.statements(sender, behind)...)
		statements = append(statements, closing(sender, tasks[sender], func(id referral.UUID) { delete(f.Own, id) }))
		f.Behind[sender] = behind
	}
	return within(ctx, conn, org, false, append(statements, onBehalf(org))...)
}

func onBehalf(org string) statement { return statement{org, onBehalfSQL, []any{org}, nil} }

// keepBehind is keep for what the open Tasks lead to.
func (f *Found) keepBehind(org string, changed *bool) (statements []statement) {
	for _, sender := range slices.Sorted(maps.Keys(f.Behind)) {
		behind := f.Behind[sender]
		behind.held = f.held
		statements = append(statements, onBehalf(sender), behind.keep(sender, changed))
	}
	if statements != nil {
		statements = append(statements, onBehalf(org))
	}
	return statements
}

// share has the organisation read what its claims reach, on behalf of those whose it is: they have left it to who comes.
func (s *Settlement) share() (statements []statement) {
	for _, c := range s.Claims {
		statements = append(statements, onBehalf(c.Org),
			statement{c.Org, sharedSQL, []any{c.Org, uuids(c.Reached), s.Org, search.ListHash(s.Org)}, nil})
	}
	if statements != nil {
		statements = append(statements, onBehalf(s.Org))
	}
	return statements
}
