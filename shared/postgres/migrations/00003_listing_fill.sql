-- The list of referrals that had settled before 00002. Not one transaction: readers and writers go on meanwhile. Each
-- statement may run again.
-- +goose NO TRANSACTION
-- +goose Up

-- The tables' owner is bound by forced row-level security and has no policy, so that it is not forced while this runs.
alter table submission no force row level security;
alter table resource no force row level security;
alter table listing no force row level security;

insert into listing (org, settled_at, d, sender, state, priority)
select o.org, s.settled_at, s.d, s.org, s.state,
	case when o.org = s.org or exists (
		select from resource r where r.id = split_part(s.request, '/', 2)::uuid and r.readers @> array[o.org]
	) then s.priority end
from submission s cross join unnest(array_append(s.readers, s.org)) o(org)
where s.state <> 'quarantined'
on conflict do nothing;

-- These may still settle: the lock keeps a row from being listed as it was after it has become another.
insert into listing (org, settled_at, d, sender, state, priority)
select o.org, s.settled_at, s.d, s.org, s.state,
	case when o.org = s.org or exists (
		select from resource r where r.id = split_part(s.request, '/', 2)::uuid and r.readers @> array[o.org]
	) then s.priority end
from submission s cross join unnest(array_append(s.readers, s.org)) o(org)
where s.state = 'quarantined'
for share of s
on conflict do nothing;

alter table submission force row level security;
alter table resource force row level security;
alter table listing force row level security;
