-- The list of referrals: who sees which submission, in the order of settling. Triggers complete it, so that what an
-- earlier release settles is listed, too. What has settled before follows in 00003: this one holds up readers and writers
-- while it runs, and is over at once whatever there is in the tables.
-- +goose Up

-- FHIR dateTime of the resource that request names, as the sender wrote it. request may name other types now: a Task,
-- a Composition and so on.
alter table submission add column authored text;
-- Whoever inserts the row writes those of listing, too: a trigger costs half a millisecond.
alter table submission add column listed boolean not null default false;

-- One row for the sender and one for each organisation that a submission is addressed to. Only scalars use an index
-- under row-level security, so that submission.readers serves no list.
create table listing (
	org        text        not null check (org <> ''),    -- who sees it
	settled_at timestamptz not null,
	d          bytea       not null,
	sender     text        not null,
	state      text        not null,
	priority   text,                                      -- for who may read the resource that it is of
	-- The transaction that wrote the row. Below the oldest one in flight nothing is added any more, whatever the clocks
	-- said: that is how a follower misses nothing. Numbers are the cluster's own: where a dump is restored into
	-- another one, every follower starts afresh, after a superuser's "update listing set xid = 0".
	xid        int8        not null default (pg_current_xact_id()::text::int8),
	primary key (org, settled_at, d)
);
create index listing_state on listing (org, state, settled_at, d) where state <> 'completed';
create index listing_xid on listing (org, xid, d);

alter table listing enable row level security;
alter table listing force row level security;
create policy read_listing on listing for select to referral_processor, referral_query
	using (org = nullif(current_setting('app.org', true), '') or sender = nullif(current_setting('app.org', true), ''));
create policy insert_listing on listing for insert to referral_processor
	with check (sender = nullif(current_setting('app.org', true), ''));
create policy delete_listing on listing for delete to referral_processor
	using (sender = nullif(current_setting('app.org', true), ''));
grant select, insert, delete on listing to referral_processor;
grant select on listing to referral_query;

-- +goose StatementBegin
create function list_submission() returns trigger language plpgsql as $$
begin
	if tg_op = 'UPDATE' then
		delete from listing l
		where l.org = any (array_append(old.readers, old.org)) and l.settled_at = old.settled_at and l.d = old.d;
	end if;
	insert into listing (org, settled_at, d, sender, state, priority)
	select o.org, new.settled_at, new.d, new.org, new.state,
		case when o.org = new.org or exists (
			select from resource r where r.id = split_part(new.request, '/', 2)::uuid and r.readers @> array[o.org]
		) then new.priority end
	from unnest(array_append(new.readers, new.org)) o(org)
	on conflict do nothing; -- a sender may address itself
	return null;
end
$$;
-- +goose StatementEnd
-- They fire when their statement has ended, and find the resources that were written by the same one.
create trigger list_inserted after insert on submission for each row when (not new.listed) execute function list_submission();
create trigger list_updated after update on submission for each row execute function list_submission();
