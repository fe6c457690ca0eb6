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

// A Task without an owner is open to whoever the patient chooses: who may fill such Tasks finds them by their group, and
// becomes the owner of one. Row-level security repeats the rule, for the group and the ids that a transaction names.

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
	args = append(args, s.Fill)
	group := isOpen + ` and exists (select from idx g where g.h = $` + strconv.Itoa(len(args)) + ` and g.vid = r.vid)`
	return strings.ReplaceAll(query, mayRead, `(`+group+` or `+mayRead+`)`), args
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

// readBehind reads what the open Tasks lead to, as far as it is their sender's own or the sender reads it.
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
